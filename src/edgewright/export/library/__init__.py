"""Templates of `--to library`, one file per build system."""
