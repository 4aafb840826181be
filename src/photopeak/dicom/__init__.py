"""Bytes to Study and Study to bytes."""
