"""Targets of `edgewright export`: every file is one, found by its name, and offers `TARGET` (`export/contract.py`)."""
