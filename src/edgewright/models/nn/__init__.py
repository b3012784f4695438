"""Layers of a neural network, one family a file; the file name is the layer's `kind`."""
