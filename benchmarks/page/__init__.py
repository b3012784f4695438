"""What a page costs: to render, to open, in bytes, and what it adds to the run that leaves it."""
