"""Commands of `edgewright bus`, a file each."""
