"""The signed files of a fleet: made and signed as values, then written; what devices and web servers read."""
