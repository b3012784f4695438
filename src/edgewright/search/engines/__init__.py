"""Where batches of work are done: one file an engine; the file name is the scheme of `--engine`."""
