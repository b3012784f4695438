"""The commands of `edgewright detect`, one file each."""
