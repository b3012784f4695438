"""Reads CSV rows the same way on the desk and on the device."""
