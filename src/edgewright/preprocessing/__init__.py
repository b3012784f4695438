"""One file a transformer that cleans a row or a window; the file name is the stage's `kind`."""
