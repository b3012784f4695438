"""Detectors that learn each recording's own beginning: kind, mean and margin chosen on other families of recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DetectorError
from edgewright.monitor.detectors import kind
from edgewright.workflows.detection.rows import Stretch
from edgewright.workflows.detection.threshold import f1, interval

Flags = NDArray[np.bool_]
# What the choice may choose from: the detectors of channels that belong together, the rows of a mean, and how many
# times the largest score of the learned rows is odd; and how many calm rows it may call odd in what it looks at.
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("var", {"order": order}) for order in (1, 2, 3, 5)),
    *(("pca", {"variance": share}) for share in (0.9, 1.0)),
)
MEANS, MARGINS = (1, 5, 10, 15, 20, 30, 45), (0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0)
MOST_FALSE = 0.15


@dataclass(frozen=True)
class Result:
    """F1 of rows with its interval (recordings drawn again), false alarms and missed rows as shares."""

    f1: float
    low: float
    high: float
    false: float
    missed: float


@dataclass(frozen=True)
class Setting:
    """A detector and where its scores are odd."""

    name: str
    config: dict[str, Any]
    margin: float

    def __str__(self) -> str:
        text = ", ".join(f"{key} {value:g}" for key, value in self.config.items())
        return f"{self.name} ({text}), {self.margin:g} x largest score"

    def watch(self, stretch: Stretch, learned: int) -> tuple[Flags, NDArray[np.int64]]:
        """Return which rows are odd, and the channel to blame of each odd one, -1 of others."""
        running = _running(self.name, self.config, stretch, learned)
        scores = np.zeros(len(stretch.values))
        blamed = np.full(len(stretch.values), -1, np.int64)
        limit = np.inf
        for row in range(len(scores)):
            scores[row] = np.nan_to_num(running.update(stretch.values[row : row + 1], stretch.time[row : row + 1]))[0]
            if row == learned - 1:
                limit = self.margin * float(scores[:learned].max())
            elif row >= learned and scores[row] >= limit:
                blamed[row] = int(running.blame().argmax())
        return blamed >= 0, blamed


def _running(name: str, config: dict[str, Any], stretch: Stretch, learned: int) -> Any:  # noqa: ANN401 - any detector
    part = kind(name)
    return part.start(part.fit(part.config(**config), stretch.values[:learned], stretch.time[:learned]))


def family(name: str) -> str:
    """Return the folder of a recording, or its name where it has none."""
    return name.split("/", maxsplit=1)[0]


def left_out(
    given: Sequence[Stretch], learned: int, advance: Callable[[int], None] = lambda count: None
) -> tuple[Result, dict[str, tuple[Result, Setting]]]:
    """Judge each family of recordings by the setting that is best on the others.

    Args:
        given: recordings with labels.
        learned: rows at the beginning of each, which are taken for normal and judge nothing.
        advance: hears of every detector that was tried.

    Returns:
        Counts over all recordings, and of each family its own and the setting it was judged by.

    Raises:
        InputError: one family, or a recording that is not longer than what is learned.
    """
    families = np.array([family(stretch.name) for stretch in given])
    if len(set(families)) < 2:
        raise DetectorError(
            "recordings of two families", "one", "the data", "Put the files of a family into one folder"
        )
    short = next((stretch.name for stretch in given if len(stretch.values) <= learned), None)
    if short is not None:
        raise DetectorError(f"more than {learned} rows", "fewer", short, "Set learn")
    settings, tables = [], []
    for (name, config), mean in product(KINDS, MEANS):
        results = [
            np.nan_to_num(
                _running(name, {**config, "mean": mean}, stretch, learned).update(stretch.values, stretch.time)
            )
            for stretch in given
        ]
        for margin in MARGINS:
            called = [scores >= margin * float(scores[:learned].max()) for scores in results]
            tables.append(_counts(called, given, learned))
            settings.append(Setting(name, {**config, "mean": mean}, margin))
        advance(1)
    table = np.stack(tables)
    parts, each = [], {}
    for excluded in dict.fromkeys(families.tolist()):
        own, others = families == excluded, table[:, families != excluded].sum(1)
        skill = 2 * others[:, 0] / others[:, [0, 0, 1, 2]].sum(1)
        skill[others[:, 1] > MOST_FALSE * others[:, [1, 3]].sum(1)] = -1
        best = int(np.argmax(skill))
        parts.append(table[best, own])
        each[excluded] = (_result(table[best, own]), settings[best])
    return _result(np.concatenate(parts)), each


def judge(called: Sequence[Flags], given: Sequence[Stretch], learned: int) -> Result:
    """Count over all recordings, rows that were learned left out."""
    return _result(_counts(called, given, learned))


def _counts(called: Sequence[Flags], given: Sequence[Stretch], learned: int) -> NDArray[np.float64]:
    """Found, false, missed and calm rows of every recording, shape (recordings, 4)."""
    counts = []
    for flags, stretch in zip(called, given, strict=True):
        assert stretch.odd is not None  # noqa: S101 - labelled
        odd, flag = stretch.odd[learned:], flags[learned:]
        counts.append([(odd & flag).sum(), (~odd & flag).sum(), (odd & ~flag).sum(), (~odd & ~flag).sum()])
    return np.array(counts, np.float64)


def _result(table: NDArray[np.float64]) -> Result:
    """F1 and shares of all recordings together, with the interval of F1."""
    detected, false, missed, calm = table.sum(0)
    resampled = table[np.random.default_rng(0).integers(len(table), size=(2000, len(table)))].sum(1)
    low, high = interval(2 * resampled[:, 0] / np.maximum(2 * resampled[:, 0] + resampled[:, 1] + resampled[:, 2], 1))
    return Result(
        float(f1(detected, false, missed)), low, high, float(false / max(false + calm, 1)),
        float(missed / max(detected + missed, 1)),
    )  # fmt: skip
