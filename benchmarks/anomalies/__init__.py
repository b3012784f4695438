"""Anomaly detection on public streams: NAB by its own scoring, and SKAB."""
