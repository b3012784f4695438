"""Engines that run batches of work, one per file; the file name is the scheme of `--engine`."""
