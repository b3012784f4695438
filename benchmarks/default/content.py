"""Samples of a set in memory, before they become files: a table, or items such as recordings, sounds and pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[Any]
Mask = NDArray[np.bool_]

SEED = 0
# Share of the groups, or of the samples where there are no groups, that test.
_TEST_SHARE = 0.3


@dataclass(frozen=True)
class Table:
    """Rows of a table.

    Attributes:
        frame: every column that the file has.
        target: column to predict.
        test: rows that test, shape (rows,).
        group: column with the person or machine; empty where rows stand for themselves.
        ordered: rows follow each other in time, so folds are stretches of time.
        ignore: columns that peers leave out: identifiers, times, and columns that give the answer away.
        window: rows of one decision, for peers where Edgewright cuts no windows itself; 0 where a row is a sample.
    """

    frame: pl.DataFrame
    target: str
    test: Mask
    group: str = ""
    ordered: bool = False
    ignore: tuple[str, ...] = ()
    window: int = 0


@dataclass(frozen=True)
class Items:
    """Recordings, sounds or pictures.

    Attributes:
        X: of each item, shape (channels, samples) of a recording, (samples,) of a sound, (rows, columns, 3) of a
            picture.
        y: label as text, or amount as float64, shape (n,).
        test: items that test, shape (n,).
        groups: person of each item, text of shape (n,); None where items stand for themselves.
        rate_hz: samples a second of a sound.
    """

    X: Sequence[Array]
    y: Array
    test: Mask
    groups: Array | None = None
    rate_hz: int = 0


@dataclass(frozen=True)
class DataSet:
    """A set of the suite.

    Attributes:
        kind: of data; each kind has a file of `forms.py` and features of `peers.py`.
        metric: 'accuracy', 'macro_f1', 'average_precision' or 'rmse'.
        read: from the folder of the public sets to the samples.
        division: how test samples are divided from the others, and what was left out of the set.
        installed: whether the set comes inside an installed package instead of that folder.
    """

    kind: str
    metric: str
    read: Callable[[Path], Table | Items]
    division: str
    installed: bool = False


def whole_groups(groups: pl.Series | Array) -> Mask:
    """Divide whole groups by a fixed seed.

    Args:
        groups: of each sample, shape (n,).

    Returns:
        True for the samples of the groups that test.
    """
    names, inverse = np.unique(np.asarray(groups), return_inverse=True)
    chosen = np.random.default_rng(SEED).permutation(len(names))[: max(1, round(_TEST_SHARE * len(names)))]
    return np.isin(inverse, chosen)


def stratified(y: pl.Series | Array) -> Mask:
    """Divide samples by a fixed seed, the same share of each class; amounts as one class."""
    labels = np.asarray(y)
    names = np.zeros(len(labels)) if labels.dtype.kind == "f" else labels
    generator, test = np.random.default_rng(SEED), np.zeros(len(labels), bool)
    for name in np.unique(names):
        members = generator.permutation(np.flatnonzero(names == name))
        test[members[: round(_TEST_SHARE * len(members))]] = True
    return test


def last_share(count: int) -> Mask:
    """Divide the last share of a time series from the rest."""
    return np.arange(count) >= round((1 - _TEST_SHARE) * count)


def halves(sets: dict[str, DataSet]) -> dict[str, str]:
    """Assign each set to half A or B by a fixed seed, alternately within each kind, whatever the results are.

    A set that is added at the end of its kind leaves the halves of the others unchanged.
    """
    half = {}
    for kind in sorted({entry.kind for entry in sets.values()}):
        for number, name in enumerate(name for name, entry in sets.items() if entry.kind == kind):
            first = hashlib.sha256(f"{SEED} {kind} {number // 2}".encode()).digest()[0] % 2
            half[name] = "AB"[(first + number) % 2]
    return half
