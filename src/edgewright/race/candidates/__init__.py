"""Candidates of the race by name, a family a file."""
