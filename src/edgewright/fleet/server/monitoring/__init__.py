"""Metrics and views that show operators the state of a fleet."""
