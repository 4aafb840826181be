"""Diagnoses from images: the readers, what they are taught from and how they are asked."""
