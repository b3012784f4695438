"""Commands of `edgewright fleet federation`, a file each."""
