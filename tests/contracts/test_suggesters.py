"""Every way to suggest labels: scores of each class and item that rest on no item's own label."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgewright.core.records.data import Floats
from edgewright.language.labelling.suggesters import SUGGESTERS, Given, Scores, suggester_of

CLASSES = ("apple", "pear", "plum")


class Encoder:
    """Gives lines directions of their own."""

    def encode(self, lines: list[str]) -> Floats:
        """Return a vector a line."""
        return np.eye(len(CLASSES), 8, dtype=np.float32)[[CLASSES.index(line.split()[-1]) for line in lines]]


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a reader of last words in the place of a language model, which must leave a text's own example out."""

    def parse(text: str, *, left_out: bool) -> SimpleNamespace:
        assert left_out
        return SimpleNamespace(intent=text.rsplit(maxsplit=1)[-1], score=math.log(0.8))

    @contextmanager
    def opened(*_: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(parse=parse)

    monkeypatch.setattr("edgewright.language.labelling.suggesters.language_model_parser", opened)


def given(**changes: object) -> Given:
    """Return ninety items around three directions, two thirds of them labelled."""
    rng = np.random.default_rng(4)
    kinds = np.arange(90) % 3
    vectors = np.eye(3, 8)[kinds] + 0.2 * rng.normal(size=(90, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    targets = np.where(np.arange(90) < 60, kinds, -1)
    described = tuple(f"a ripe {name}" for name in CLASSES)
    items = {"vectors": vectors.astype(np.float32), "targets": targets, "classes": CLASSES, "descriptions": described}
    texts = tuple(f"it is a {CLASSES[kind]}" for kind in kinds)
    brought = {"encoder": Encoder(), "texts": texts, "language_model": Path("assistant.gguf")}
    return Given(**{**items, **brought, **changes})  # type: ignore[arg-type]


def scores(name: str, items: Given) -> Scores:
    return suggester_of(name).scores(items)


@pytest.mark.parametrize("name", sorted(SUGGESTERS))
def test_scores_are_numbers_that_find_the_classes(name: str) -> None:
    part = suggester_of(name)
    assert part.description and part.needs in ("labels", "descriptions", "language model") and part.heat > 0
    items = given()
    answers = scores(name, items)
    assert answers.shape == (90, 3) and np.isfinite(answers).all()
    np.testing.assert_array_equal(answers, scores(name, items))
    assert (answers[60:].argmax(axis=1) == np.arange(60, 90) % 3).mean() >= 0.9


@pytest.mark.parametrize("name", sorted(SUGGESTERS))
def test_a_label_does_not_suggest_itself(name: str) -> None:
    targets = given().targets.copy()
    targets[5] = (targets[5] + 1) % 3
    wrong = scores(name, given(targets=targets))
    assert wrong[5].argmax() == 5 % 3
