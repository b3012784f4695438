"""Layers and axes that a board learns, as C99."""
