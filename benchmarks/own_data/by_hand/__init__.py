"""Pipelines by hand, a file a set: `candidates` computes features of all samples and names models."""
