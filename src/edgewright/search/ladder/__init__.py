"""The complexity ladder: rungs from the majority class to a large network; a rung must be significantly better."""
