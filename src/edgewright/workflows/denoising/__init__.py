"""Trains and evaluates denoisers."""
