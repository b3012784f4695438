"""A package at work: samples of all streams answered together, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.core.objects import ODD
from edgewright.core.predictor import Answers, Predictor
from edgewright.device.agent.feed import SampleBatch
from edgewright.device.agent.package_slots import VerifiedPackage
from edgewright.schema.data import Floats
from edgewright.schema.device import DecisionSpec
from edgewright.schema.package import Manifest, WindowSpec


class Answered(NamedTuple):
    """A cut with the answers to its samples."""

    cut: SampleBatch
    answers: Answers


class Answerer:
    """One package with its engine.

    Args:
        proven: the package.
        streams: patterns of the streams it answers.
        rate: rows a second; None where nobody knows.
        decision: how its answers become decisions; the package's own when None.
    """

    def __init__(
        self, proven: VerifiedPackage, streams: Sequence[str], rate: float | None, decision: DecisionSpec | None
    ) -> None:
        self.name, self.predictor = proven.name, proven.predictor
        self.streams, self.rate = tuple(streams), rate
        self.decision = decision or self.manifest.decision
        if self.predictor.anomaly and not self.decision.alarms:
            self.decision = msgspec.structs.replace(self.decision, alarms=(ODD,))
        # Answers instead, while what the device learned is used.
        self.learned: Predictor | None = None

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

    @property
    def fitted(self) -> Callable[[Floats], Floats] | None:
        """Makes a camera's pictures those of a package for pictures; None for any other package."""
        if len(self.manifest.shape) != 3:
            return None
        from edgewright.core.pictures import fitting  # noqa: PLC0415 - Pillow is in the base install of no device

        return partial(fitting, manifest=self.manifest)

    def answer(self, cuts: Sequence[SampleBatch]) -> list[Answered]:
        """Return answers of all cuts in one batch.

        Raises:
            InputError: the engine cannot take them.
        """
        if not cuts:
            return []
        samples = cuts[0].samples if len(cuts) == 1 else np.concatenate([cut.samples for cut in cuts])
        answers = (self.learned or self.predictor).predict(samples)
        found, start = [], 0
        for cut in cuts:
            part = slice(start, start + len(cut.samples))
            start += len(cut.samples)
            found.append(Answered(cut, answers.part(part)))
        return found


def matches(patterns: Sequence[str], stream: str) -> bool:
    """Return whether a stream's name fits one of the patterns."""
    return any(pattern == "*" or fnmatchcase(stream, pattern) for pattern in patterns)


def wanted(predictor: Predictor) -> tuple[str, ...]:
    """Return a package's columns as a source is asked for them: with their units, so that other units are refused."""
    names = []
    for column in predictor.manifest.columns:
        bare = "[" not in column.name and "(" not in column.name
        names.append(f"{column.name} [{column.unit}]" if column.unit and bare else column.name)
    return tuple(names)
