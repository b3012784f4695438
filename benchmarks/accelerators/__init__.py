"""Twenty models on every engine and compiler for accelerators that a machine without accelerators can run."""
