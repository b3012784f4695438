"""A package at work: samples of all streams answered together, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.predictor import Answers, Predictor
from edgewright.device.agent.feed import Cut
from edgewright.device.agent.package_slots import Proven
from edgewright.schema.data import Floats
from edgewright.schema.device import DecisionSpec
from edgewright.schema.package import Manifest, WindowSpec


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A cut with its answers, n samples each.

    Attributes:
        cut: what was asked.
        labels: shape (n,), text.
        confidence: shape (n,).
        probabilities: shape (n, labels).
        predictions: shape (n,) for regression, else None.
        unsure: shape (n,).
        outside: for each sample the columns beyond what their sensor can give.
        missing: shape (n,), whether there is no answer.
    """

    cut: Cut
    labels: NDArray[np.str_]
    confidence: Floats
    probabilities: Floats
    predictions: Floats | None
    unsure: NDArray[np.bool_]
    outside: tuple[tuple[str, ...], ...]
    missing: NDArray[np.bool_]


class Answerer:
    """One package with its engine.

    Args:
        proven: the package.
        streams: patterns of the streams it answers.
        rate: rows a second; None where nobody knows.
        decision: how its answers become decisions; the package's own when None.
    """

    def __init__(
        self, proven: Proven, streams: Sequence[str], rate: float | None, decision: DecisionSpec | None
    ) -> None:
        self.name, self.predictor = proven.name, proven.predictor
        self.streams, self.rate = tuple(streams), rate
        self.decision = decision or self.manifest.decision

    @property
    def manifest(self) -> Manifest:
        """Of the package."""
        return self.predictor.manifest

    @property
    def window(self) -> WindowSpec | None:
        """Of the package; None where each row is answered."""
        return self.manifest.window

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""
        return tuple(column.name for column in self.manifest.columns)

    def takes(self, stream: str) -> bool:
        """Whether it answers this stream."""
        return matches(self.streams, stream)

    def answer(self, cuts: Sequence[Cut]) -> list[Answered]:
        """Answers of all cuts in one batch.

        Raises:
            InputError: the engine cannot take them.
        """
        if not cuts:
            return []
        samples = cuts[0].samples if len(cuts) == 1 else np.concatenate([cut.samples for cut in cuts])
        answers = self.predictor.predict(samples)
        found, start = [], 0
        for cut in cuts:
            part = slice(start, start + len(cut.samples))
            start += len(cut.samples)
            found.append(answered(cut, answers, part))
        return found


def answered(cut: Cut, answers: Answers, part: slice) -> Answered:
    """One cut with its answers, which are this part of them."""
    return Answered(
        cut=cut,
        labels=answers.labels[part],
        confidence=answers.confidence[part],
        probabilities=answers.probabilities[part],
        predictions=None if answers.predictions is None else answers.predictions[part],
        unsure=answers.unsure[part],
        outside=answers.out_of_range[part],
        missing=answers.missing[part],
    )


def matches(patterns: Sequence[str], stream: str) -> bool:
    """Whether a stream's name fits one of the patterns."""
    return any(pattern == "*" or fnmatchcase(stream, pattern) for pattern in patterns)


def wanted(predictor: Predictor) -> tuple[str, ...]:
    """A package's columns as a source is asked for them: with their units, so that other units are refused."""
    names = []
    for column in predictor.manifest.columns:
        bare = "[" not in column.name and "(" not in column.name
        names.append(f"{column.name} [{column.unit}]" if column.unit and bare else column.name)
    return tuple(names)
