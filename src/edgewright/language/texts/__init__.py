"""Texts as data: reading them by article, and training models of what follows."""
