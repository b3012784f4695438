"""One file a source of rows; the file name is the `kind` in `[data]`."""
