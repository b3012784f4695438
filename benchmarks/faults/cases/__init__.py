"""Faults that are tried: every file offers `run(share) -> (what, Result) pairs`."""
