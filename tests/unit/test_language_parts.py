"""What a model of utterances is judged by: sentences that people said."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.language.intents.parts import parted
from edgewright.language.utterances.read import read
from edgewright.schema.errors import InputError

REAL = [("one coffee please", "drink"), ("a tea", "drink"), ("some bread", "food"), ("a roll", "food")]


def written(folder: Path, real: int, made: int) -> Path:
    lines = ["text,intent,provenance"]
    for number in range(real):
        lines += [f"{text} {'very ' * number}soon,{intent}," for text, intent in REAL]
    for number in range(made):
        lines += [f"made {text} {'very ' * number}soon,{intent},synthetic/grammar" for text, intent in REAL]
    path = folder / "said.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_synthetic_sentences_are_learnt_from_and_never_judged_by(tmp_path: Path) -> None:
    parts = parted(read(written(tmp_path, 10, 30)).utterances, (), seed=3)
    assert parts.judges and not any(text.startswith("made") for text in parts.judges)
    assert sum(text.startswith("made") for text in parts.texts) == 120
    assert len(parts.texts) + len(parts.judges) == 160


def test_synthetic_sentences_alone_cannot_be_judged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sentences that people said"):
        parted(read(written(tmp_path, 0, 30)).utterances, (), seed=3)


def test_synthetic_validation_does_not_count(tmp_path: Path) -> None:
    real = read(written(tmp_path, 10, 0)).utterances
    parts = parted(real, read(written(tmp_path, 3, 5)).utterances, seed=3)
    assert len(parts.judges) == 12
