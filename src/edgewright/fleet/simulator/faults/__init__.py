"""Faults of a simulation: one file for each family, with its faults by name in `FAULTS`."""
