"""Commands below `edgewright fleet rollout`: every file offers `command`."""
