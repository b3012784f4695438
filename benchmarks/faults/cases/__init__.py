"""Faults that are tried: every file offers `run(workload, share) -> (what, Result) pairs`."""
