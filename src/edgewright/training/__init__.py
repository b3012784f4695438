"""The training loop, losses, optimisers and metrics, in JAX.

Importing the package prepares the environment of JAX (see `backend`) and imports nothing heavy.
"""

from edgewright.training.backend import prepare

prepare()
