"""What a large fleet takes; a part is a file with `measure(told)`, found by its name."""
