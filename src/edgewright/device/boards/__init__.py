"""Microcontrollers behind this device: the file of weights that they take, and the line over which they get it."""
