"""What a stranger gets from `init FILE --yes` and `run`, unedited, and what tuned peers reach on the same samples."""
