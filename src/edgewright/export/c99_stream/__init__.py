"""Streams as C99: windows, decisions, detectors beside a model, networks step by step, denoisers and forecasters."""
