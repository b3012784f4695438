"""Watches streams with the base install: anomaly detectors, drift, sensor health and forecasts."""
