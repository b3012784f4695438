"""Commands below `edgewright device`: every file offers `COMMAND`."""
