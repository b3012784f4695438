"""Commands of `edgewright synth`, one file each."""
