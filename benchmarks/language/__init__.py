"""Tables of language: `make bench-language`."""
