"""Inspect a microcontroller over its serial line, and update its weights."""

EXAMPLE = "update /dev/ttyACM0 pump.weights"
