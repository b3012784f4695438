"""Commands below `edgewright fleet key`: every file offers `command`."""
