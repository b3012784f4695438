"""Faults of a simulation: one file for each family, with `FAULTS`, which has each fault by its name."""
