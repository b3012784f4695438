"""Features of each kind of data that a good practitioner computes; imported by the peers' environment alone."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.default.cepstra import summary_and_course
from benchmarks.default.windows import correlations, statistics

Array = NDArray[Any]
# Texts with more different values than this are left out of a table.
_TEXTS = 20
_CELLS, _ANGLES, _COLORS = 6, 9, 4


def of_rows(train: Path, test: Path, ignore: Sequence[str]) -> tuple[Array, Array]:
    """Return the numbers of two CSV files, with a column for each value of a text; shape (rows, features) each.

    Args:
        train: file of the training rows.
        test: file of the test rows, with the same header.
        ignore: columns that are left out.
    """
    tables = []
    for path in (train, test):
        with path.open(newline="") as lines:
            tables.append(list(csv.reader(lines)))
    sides: list[list[Array]] = [[], []]
    for index, name in enumerate(tables[0][0]):
        if name in ignore:
            continue
        columns = [[row[index] for row in table[1:]] for table in tables]
        try:
            for side, column in zip(sides, columns, strict=True):
                side.append(np.array([float(text) if text else np.nan for text in column]))
        except ValueError:
            values = sorted(set(columns[0]))
            for value in values if len(values) <= _TEXTS else []:
                for side, column in zip(sides, columns, strict=True):
                    side.append(np.array([float(text == value) for text in column]))
    middle = [float(np.nanmedian(column)) for column in sides[0]]
    filled = [
        np.stack(
            [np.where(np.isnan(column), value, column) for column, value in zip(side, middle, strict=True)], axis=1
        )
        for side in sides
    ]
    return filled[0], filled[1]


def of_signals(X: Array) -> dict[str, Array]:
    """Return tables by name: the values themselves, and statistics; the size of three axes counts as a channel.

    Args:
        X: shape (n, channels, samples).
    """
    channels = np.nan_to_num(np.asarray(X, np.float64))
    flat = channels.reshape(len(channels), -1)
    sizes = [np.linalg.norm(channels[:, first : first + 3], axis=1, keepdims=True)
             for first in range(0, channels.shape[1] - 2, 3)]  # fmt: skip
    parts = [statistics(np.concatenate([channels, *sizes], axis=1)), channels[:, :, -1]]
    if 1 < channels.shape[1] <= 12:
        parts.append(correlations(channels))
    features = np.nan_to_num(np.concatenate(parts, axis=1))
    return {"values": flat, "statistics": features} if flat.shape[1] <= 1500 else {"statistics": features}


def of_sounds(waves: Sequence[Array], rate_hz: int) -> dict[str, Array]:
    """Return tables of cepstra of sounds, at 8,000 samples a second.

    Args:
        waves: shape (samples,) each.
        rate_hz: 8,000 or a multiple of it.
    """
    factor = rate_hz // 8000
    slower = [wave[: len(wave) // factor * factor].reshape(-1, factor).mean(axis=1) for wave in waves]
    summary, course = summary_and_course(slower, 8000.0)
    return {"cepstra": summary, "cepstra and course": np.concatenate([summary, course], axis=1)}


def of_pictures(X: Array) -> dict[str, Array]:
    """Return histograms of orientations in cells, and of colors in quarters of the picture.

    Args:
        X: shape (n, rows, columns, 3), 0 to 255.
    """
    orientations = np.array([_orientations(picture.mean(axis=2)) for picture in X.astype(np.float64)])
    colors = np.array([_colors(picture) for picture in X])
    return {"orientations": orientations, "orientations and colors": np.concatenate([orientations, colors], axis=1)}


def _orientations(gray: Array) -> Array:
    """Return histograms of oriented gradients (Dalal and Triggs, 2005), each cell normalized with its neighbors."""
    down, right = np.gradient(np.sqrt(gray))
    size, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
    bins = np.minimum((angle / np.pi * _ANGLES).astype(int), _ANGLES - 1)
    rows = np.arange(gray.shape[0]) * _CELLS // gray.shape[0]
    columns = np.arange(gray.shape[1]) * _CELLS // gray.shape[1]
    cell = (rows[:, None] * _CELLS + columns[None]) * _ANGLES + bins
    cells = np.bincount(cell.ravel(), size.ravel(), _CELLS * _CELLS * _ANGLES).reshape(_CELLS, _CELLS, _ANGLES)
    blocks = np.lib.stride_tricks.sliding_window_view(cells, (2, 2), axis=(0, 1)).reshape(-1, 4 * _ANGLES)
    normalized: Array = np.minimum(blocks / (np.linalg.norm(blocks, axis=1, keepdims=True) + 1e-3), 0.2)
    return normalized.ravel()


def _colors(picture: Array) -> Array:
    """Return the square roots of shares of colors in each quarter and in the whole."""
    levels = picture.astype(int) * _COLORS // 256
    code = (levels[:, :, 0] * _COLORS + levels[:, :, 1]) * _COLORS + levels[:, :, 2]
    middle = [length // 2 for length in code.shape]
    parts = [code, *(half for rows in np.split(code, middle[:1]) for half in np.split(rows, middle[1:], axis=1))]
    return np.concatenate([np.sqrt(np.bincount(part.ravel(), minlength=_COLORS**3) / part.size) for part in parts])


def tables(kind: str, arrays: Mapping[str, Array], side: str) -> dict[str, Array]:
    """Return the tables of a side by name.

    Args:
        kind: 'signals', 'sounds' or 'pictures'.
        arrays: of the file that the suite wrote.
        side: 'train' or 'test'.
    """
    X = arrays[f"{side}_X"]
    if kind == "sounds":
        waves = np.split(X, np.cumsum(arrays[f"{side}_lengths"])[:-1])
        return of_sounds(waves, int(arrays["rate_hz"]))
    return of_pictures(X) if kind == "pictures" else of_signals(X)
