"""Frozen structures that the rooms exchange. No behaviour, and nothing above is imported here."""
