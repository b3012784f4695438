"""One framing a file; `FRAMING` is what it offers."""
