"""What can be fitted: the last stage of a pipeline, one file a kind of model."""

# JAX reads its environment when it is imported, and files of this room import it.
from edgewright.training.backend import prepare

prepare()
