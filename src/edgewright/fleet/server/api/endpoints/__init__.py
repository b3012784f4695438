"""One file a group of endpoints; each offers `ENDPOINTS`. A name with an underscore in front is none."""
