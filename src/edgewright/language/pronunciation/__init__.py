"""Pronunciation: a network that hears phones, their alignment to a known prompt, and how good each of them was."""
