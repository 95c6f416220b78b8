"""Compute devices, their memory, and what a model needs of it."""
