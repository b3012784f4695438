"""Anomaly detectors as C99: every module registers writers under the names of `monitor/detectors`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.errors import ExportError, UnknownNameError
from edgewright.core.records.network import Graph
from edgewright.export.c99_code.parts import filled, parts

Learnt = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """The code of one fitted detector; `@` stands for the prefix of names.

    Attributes:
        lines: statements of `static float @_score(@_detect_context *context, const float *row)`. They may read
            `row[i]`, NAN where missing (one at least is there), the tables as `@_NAME` and the state as
            `context->NAME`; they set every `context->parts[i]`, what channel i adds to the score, not negative; they
            return the score, NAN while still learning. All is float32. `@_finite(x)` says whether a number is there,
            `@_bounded(x, most)` keeps it from -most to most.
        tables: constants by name, float32 or whole numbers.
        state: floats that are remembered, by name and number; `parts` is there already.
        counts: `uint32_t` that are remembered.
        whole: arrays of whole numbers that are remembered: by name, C type and number.
        helpers: functions that the lines call.
        season: microseconds after which things repeat, and their parts; the lines then read `context->part`, counted
            from 1, and 0 where nobody knows the time.
        often: how often the block of an `if` is entered, or a `while` turns, by a part of its line; only for estimates,
            where neither 'never, since it leaves' nor 'always' holds.
        network: a graph that the lines call as `@_net_predict` with `&context->net`, whole or in QDQ form.
        begin: what the state begins with, by name; 0 for others.
    """

    lines: tuple[str, ...]
    tables: Mapping[str, NDArray[Any]]
    state: Mapping[str, int] = field(default_factory=dict)
    counts: tuple[str, ...] = ()
    whole: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    helpers: str = ""
    season: tuple[int, int] | None = None
    often: Mapping[str, float] = field(default_factory=dict)
    network: Graph | None = None
    begin: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


detector_writer = catalogue.Registry[Callable[[Learnt], Score]](__name__)
"""Registers the writer of the detector of this name; it raises `InputError` for what the code cannot hold."""


def write_score(name: str, learnt: Learnt) -> Score:
    """Return the code of a fitted detector.

    Raises:
        UnknownNameError: listing the detectors that have a form in C.
    """
    if name not in detector_writer.known:
        raise UnknownNameError("detector in C", name, tuple(detector_writer.known))
    return detector_writer.known[name](learnt)


def score_lines(module: str, file: str, **values: object) -> tuple[str, ...]:
    """Return the statements of a score from the part `score` of a file of C.

    Args:
        module: `__file__` of the detector's module.
        file: its name.
        values: for the holes of the part.
    """
    return tuple(line[4:] for line in filled(parts(module, file)["score"], **values).splitlines())


def mean_of_rows(rows: int, channels: int, value: str) -> tuple[list[str], dict[str, int], tuple[str, ...]]:
    """Return lines that make `float z[channels]` of the mean of a value over the last rows, as `SlidingMean` does.

    What counts the rows goes on as long as the ring is not full, then round it: it never runs over.

    Args:
        rows: how many; 1 for the value itself.
        channels: columns.
        value: C expression of channel i, which may use `x`, the number, 0 wherever it is missing.

    Returns:
        The lines, and the state and counts they need.
    """
    text = filled(parts(__file__, "detector.c")["mean"], channels=channels, value=value, rows=rows, twice=2 * rows)
    lines = [line[4:] for line in text.splitlines()]
    return (lines, {"ring": rows * channels}, ("next",)) if rows > 1 else (lines, {}, ())


def indented(lines: Sequence[str]) -> str:
    """Return lines as they stand within a function."""
    return "\n".join(f"    {line}" for line in lines)


def season_of(seconds: float, parts: int, detector: str) -> tuple[int, int]:
    """Return a season in whole microseconds, and its parts, as 64 bits can count them.

    Raises:
        InputError: for a season that is no whole number of microseconds, or too long.
    """
    whole = round(seconds * 1e6)
    if whole < 1 or abs(whole - seconds * 1e6) > 1e-3 or whole * parts >= 1 << 62:
        raise ExportError("a season of whole microseconds", f"{seconds!r} s", f"detector {detector} in C")
    return whole, parts


def floats(values: Any) -> NDArray[np.float32]:  # noqa: ANN401 - arrays and numbers
    """Return a table of float32."""
    return np.ascontiguousarray(values, np.float32)
