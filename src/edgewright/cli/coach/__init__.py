"""Commands of `edgewright coach`, a file each."""
