"""One file a public data set; the file name is its name."""
