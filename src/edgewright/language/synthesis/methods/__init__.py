"""Ways to make signals out of signals, one file each."""
