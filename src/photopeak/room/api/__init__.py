"""What the pages ask for: JSON under ``/api``."""
