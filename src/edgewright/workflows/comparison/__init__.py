"""Compares runs, and repeats a run with one change."""
