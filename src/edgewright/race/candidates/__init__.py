"""Candidates of the race, one per file: the file name is the name of the candidate, and `CANDIDATE` defines it."""
