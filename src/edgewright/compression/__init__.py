"""Smaller forms of a fitted network: int8, pruned and distilled."""
