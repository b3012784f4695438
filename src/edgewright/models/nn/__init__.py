"""Layers of a neural network, one family a file; the file name is the layer's `kind`."""

# JAX reads its environment when it is imported: the layers' files import it, so it is prepared here.
from edgewright.training.backend import prepare

prepare()
