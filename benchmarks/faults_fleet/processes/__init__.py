"""Faults of real processes, without a recorder: every file offers `run(share) -> (what, Result) pairs`."""
