"""Commands of `edgewright few-shot`, a file each."""
