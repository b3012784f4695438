"""The training loop, losses, optimisers and metrics, in JAX."""
