"""Compresses a model into several forms and compares them."""
