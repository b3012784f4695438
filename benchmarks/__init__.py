"""Measured claims: each module prints a table in Markdown with its peers and verdicts."""
