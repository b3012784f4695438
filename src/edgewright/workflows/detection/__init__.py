"""Fits, selects and evaluates anomaly detectors."""
