"""Estimates what a model costs on a device."""
