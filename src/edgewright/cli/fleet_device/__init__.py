"""Commands below `edgewright fleet device`: every file offers `command`."""
