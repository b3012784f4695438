"""Rungs of the ladder, one per file: the file name is the name of the rung, and `RUNG` defines it."""
