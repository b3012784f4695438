"""Commands of `edgewright jobs`, a file each."""
