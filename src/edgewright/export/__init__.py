"""One file an export target."""
