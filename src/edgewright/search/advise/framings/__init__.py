"""Framings of the adviser, one per file; `FRAMING` defines it."""
