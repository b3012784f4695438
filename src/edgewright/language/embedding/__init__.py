"""Encoders of text from a local directory: `load(DIR).encode(texts)` gives unit vectors."""

from __future__ import annotations

from edgewright.language.embedding.directory import Encoder
from edgewright.language.embedding.load import load

__all__ = ["Encoder", "load"]
