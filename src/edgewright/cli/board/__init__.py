"""Commands below `edgewright device board`: every file offers `command`."""
