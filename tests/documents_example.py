"""A small manual for tests, an index of it, and an encoder that needs no model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.language.documents.document_file import DocumentFile
from edgewright.language.documents.index import write_index

MANUAL = """# Drill X200

## Power

The drill takes two AAA cells. Do not mix old and new cells.

- Open the cover on the back with a coin.
- Take out the empty batteries and put in new ones, plus to the spring.
- Close the cover.

## Cleaning

Wipe the housing with a dry cloth. Never use water.

| part | material |
|---|---|
| housing | ABS |
| chuck | steel |

## Warranty

The warranty lasts 24 months from the date of purchase.
"""


class Letters:
    """Vectors of words by hashing: the same words, the same vector."""

    name, dimensions, bytes = "letters", 32, 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (n, 32)."""
        vectors = np.full((len(texts), self.dimensions), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.strip(".?,").encode()) % self.dimensions] += 1
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def words(self) -> list[str]:
        """Return some words that it knows."""
        return ["sodas", "wants", "beverage"]


def manual(folder: Path, text: str = MANUAL, name: str = "drill.md") -> Path:
    """Return the manual as a file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def manual_index(folder: Path, encoder: Letters | None = None, text: str = MANUAL) -> Path:
    """Return an index of it."""
    path = folder / "drill.index"
    write_index(path, [DocumentFile(manual(folder, text))], encoder)
    return path


LOOKING_FLOW = """
name = "drill"
states = ["idle", "look_up", "told"]
initial = "idle"
[retrieve.look_up]
index = "drill.index"
top = 2
[[steps]]
state = ["idle", "told"]
event = "*"
to = "look_up"
[[steps]]
state = "look_up"
event = "found"
when = "probability >= 0.9"
to = "told"
actions = [{ say = "{answer} ({section})" }]
[[steps]]
state = "look_up"
event = "found"
to = "told"
actions = [{ say = "Perhaps: {answer}" }]
[[steps]]
state = "look_up"
event = "not_found"
to = "idle"
actions = [{ say = "Not in the manual." }]
[[steps]]
state = "told"
event = "thanks"
to = "idle"
actions = [{ say = "Bye." }]
"""
QUESTION = "How long does the warranty last?"
