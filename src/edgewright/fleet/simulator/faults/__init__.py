"""Faults of a simulation: one file each, with `FAULT`."""
