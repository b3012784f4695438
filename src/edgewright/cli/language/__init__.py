"""Commands of `edgewright language`, a file each."""
