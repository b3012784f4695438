"""One file an extractor or selector of features; the file name is the stage's `kind`."""
