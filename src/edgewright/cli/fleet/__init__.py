"""Commands below `edgewright fleet`: every file offers `command`."""
