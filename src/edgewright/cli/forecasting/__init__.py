"""Commands of `edgewright forecast`, one file each."""
