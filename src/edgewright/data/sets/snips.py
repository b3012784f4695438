"""SNIPS: spoken commands in writing, seven intents, with the pieces that fill a slot.

Layout: `train_<Intent>.json` (300 each), `train_<Intent>_full.json` and `validate_<Intent>.json` (100 each, the
official test), `{intent: [{"data": [{"text", "entity"}]}]}`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.data.contract import Documented, PublicText
from edgewright.data.sets import _files as files
from edgewright.schema.data import TextSet


class Piece(msgspec.Struct):
    """Words, and the slot that they fill; empty for none."""

    text: str
    entity: str = ""


class Sentence(msgspec.Struct):
    """A sentence in pieces."""

    data: list[Piece]


def _load(folder: Path) -> TextSet:
    rows = []
    for path in files.need_files(folder, "train_*.json", "validate_*.json"):
        part = "validate" if path.name.startswith("validate_") else "full" if "_full" in path.name else "small"
        content = files.read_json(path, dict[str, list[Sentence]], "with sentences by intent")
        for intent, sentences in content.items():
            for sentence in sentences:
                whole = "".join(piece.text for piece in sentence.data)
                slots = "; ".join(f"{p.entity}={p.text}" for p in sentence.data if p.entity)
                rows.append((part, whole, intent, slots))
    return TextSet(
        name="snips",
        columns=("part", "text", "intent", "slots"),
        rows=tuple(rows),
    )


TEXT = PublicText(
    title="SNIPS: intents and slots of spoken commands",
    homepage="https://github.com/sonos/nlu-benchmark",
    url="https://github.com/sonos/nlu-benchmark/archive/HEAD.zip",
    check="seven intents, 2,100 small, 13,784 full and 700 validating sentences",
    licence="CC0-1.0 (publications must cite the paper)",
    citation="Coucke et al.: Snips Voice Platform. 2018, arXiv 1805.10190.",
    task="sentences: 7 intents with slots",
    loader=_load,
    folder="snips",
    marks=("train_AddToPlaylist.json|train_PlayMusic.json",),
    documented=(
        Documented("whole set", rows=16_584),
        Documented("training part, small and full", rows=15_884),
    ),
)
