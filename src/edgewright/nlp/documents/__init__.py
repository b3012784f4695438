"""Answers from documents on the device: one SQLite file with FTS5, searched with the base install."""
