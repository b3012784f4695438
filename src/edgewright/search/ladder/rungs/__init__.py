"""One rung a file; the file name is its name, `RUNG` what it offers."""
