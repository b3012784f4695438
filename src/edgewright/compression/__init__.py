"""Smaller forms of a fitted network: int8 now."""
