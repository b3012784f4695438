"""Commands of `edgewright adapt`, a file each."""
