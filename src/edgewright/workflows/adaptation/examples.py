"""Which samples of a person are labelled first, and which come later and are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import Numbers
from edgewright.schema.data import Samples
from edgewright.schema.errors import InputError


@dataclass(frozen=True)
class Examples:
    """How much a person labels.

    Attributes:
        amount: how much.
        unit: 'samples' or 'seconds' of each class, or seconds of the person's 'first' stretch of time, of any class.
    """

    amount: float
    unit: Literal["samples", "seconds", "first"]

    @property
    def text(self) -> str:
        """As a user writes it."""
        return {"samples": "{:g}", "seconds": "{:g}s", "first": "first {:g}s"}[self.unit].format(self.amount)

    def parts(self, mine: Samples, truth: Numbers) -> tuple[Numbers, Numbers]:
        """Return the labelled samples in the order in which a device gets them, and those that are judged.

        Args:
            mine: samples of one person, in order of time.
            truth: their classes, shape (n,).

        Raises:
            InputError: seconds of samples that have neither times nor a rate.
        """
        length = mine.X.shape[2] if mine.X.ndim == 3 else 1
        if self.unit == "first":
            begins, ends = _clock(mine, length)
            first = np.flatnonzero((begins < self.amount) & (ends <= self.amount))
            return first[np.argsort(begins[first], kind="stable")], np.flatnonzero(begins >= self.amount)
        rows, limit = _ends(mine, truth, length), self._rows(mine, length)
        first = np.flatnonzero(rows <= limit)
        return first[np.argsort(truth[first], kind="stable")], np.flatnonzero(rows - length >= limit)

    def _rows(self, mine: Samples, length: int) -> float:
        """Return the rows of a class that are labelled."""
        if self.unit == "seconds":
            if mine.rate is None:
                raise InputError(
                    "a number of samples, such as 20", self.text, "--examples",
                    "The rows have no rate; --first 300s needs times only",
                )  # fmt: skip
            return self.amount * mine.rate
        step = int(np.median(np.diff(mine.starts))) if length > 1 and len(mine.starts) > 1 else length
        return length + (self.amount - 1) * max(step, 1)


def _clock(mine: Samples, length: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the seconds of a person's recordings at which each sample begins and ends; sessions follow each other."""
    lasts = 0.0 if mine.rate is None or length == 1 else length / mine.rate
    if mine.seconds is not None:
        begins = mine.seconds.astype(np.float64)
    elif mine.rate is not None:
        begins = mine.starts / mine.rate
    else:
        raise InputError(
            "samples with times or a rate", "neither", "--first", "Label a number of samples of each class: --examples"
        )
    names, places = np.unique(mine.sessions, return_index=True)
    passed = 0.0
    for name in names[np.argsort(places)]:
        here = np.flatnonzero(mine.sessions == name)
        begins[here] += passed - begins[here].min()
        passed = float(begins[here].max()) + lasts
    return begins, begins + lasts


def _ends(mine: Samples, truth: Numbers, length: int) -> Numbers:
    """Return where each sample of a person ends, in rows of its class so far; overlaps count once."""
    ends = np.zeros(len(truth), np.int64)
    for label in np.unique(truth):
        places = np.flatnonzero(truth == label)
        step = np.full(len(places), length)
        same = mine.sessions[places][1:] == mine.sessions[places][:-1]
        moved = np.diff(mine.starts[places])
        step[1:] = np.where(same & (moved > 0) & (moved < length), moved, length)
        ends[places] = np.cumsum(step)
    return ends
