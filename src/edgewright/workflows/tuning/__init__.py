"""Chooses thresholds and smoothing of decisions on recordings."""
