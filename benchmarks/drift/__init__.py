"""Drift on public recordings."""
