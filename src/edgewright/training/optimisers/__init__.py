"""One file an optimiser; the file name is its name in `[training]`."""
