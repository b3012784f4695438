"""Commands below `edgewright fleet rollout`: every file offers `COMMAND`."""
