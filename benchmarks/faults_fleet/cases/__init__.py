"""Faults that are tried on a fleet's programs beside those of `benchmarks.faults`."""
