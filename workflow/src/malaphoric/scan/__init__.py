"""A grid of points in chunks on disk, and their merge."""
