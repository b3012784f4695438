"""Proof of equivalence: run the same rows through every form of a pipeline and find the first stage that differs."""
