"""Commands of `edgewright label`, a file each."""
