"""Laws of nature: materials, decay, cameras, noise."""
