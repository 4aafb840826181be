"""What the benchmarks of the reading room share: a real server, cameras that send, readers that sign in."""
