"""Targets a model is written to: one file a target."""
