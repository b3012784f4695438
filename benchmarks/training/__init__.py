"""Processor seconds of training: Edgewright, scikit-learn and Keras on JAX on the same work."""
