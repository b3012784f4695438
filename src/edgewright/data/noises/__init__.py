"""Kinds of noise that can be drawn, one file each."""
