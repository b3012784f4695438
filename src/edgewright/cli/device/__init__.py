"""Commands below `edgewright device`: every file offers `command`."""
