"""Commands of `edgewright denoise`, one file each."""
