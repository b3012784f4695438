"""Scores a package on labeled data."""
