"""New rows for a forecaster: with the base install, as they come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from edgewright.cli.command import BadRows
from edgewright.core.errors import ColumnMissingError, RateDiffersError, SeriesError

if TYPE_CHECKING:
    from edgewright.monitor.records import ForecasterSpec

# Steps without a row that are filled with missing ones; a longer silence asks for a new forecaster.
_LONGEST_GAP = 1 << 16


def coming_rows(spec: ForecasterSpec, source: Path | TextIO, name: str) -> Iterator[tuple[float, float]]:
    """Value and time of each row after the last one that the forecaster knows; rows that are not there are NaN.

    Raises:
        InputError: a column that is not there, times that are none or lie beside the forecaster's steps.
    """
    from edgewright.core.clocks.reader import ClockReader, refuse_missing
    from edgewright.core.clocks.units import unit_spelled
    from edgewright.core.csv.rows import iter_csv

    text = [spec.time] if spec.time else []
    last, number = spec.last, 0
    clock: ClockReader | None = None
    for chunk in iter_csv(
        source, name=name, time_columns=text, float64_columns=[spec.column], only_columns=[spec.column, *text],
        report=None if isinstance(source, Path) else BadRows(),
    ):  # fmt: skip
        absent = [c for c in (spec.column, *text) if c not in (*chunk.columns, *chunk.text)]
        if absent:
            raise ColumnMissingError(f"the columns {', '.join((spec.column, *text))}", f"no {', '.join(absent)}", name)
        values, times = chunk.wide[spec.column], np.full(len(chunk), math.nan)
        lines = chunk.lines
        if spec.time:
            location = lambda row, lines=lines: f"{name} line {int(lines[row])}"  # noqa: E731
            clock = clock or ClockReader(
                spec.time, unit_spelled(chunk.header.units.get(spec.time, "")) or spec.time_unit
            )
            times = clock.seconds(chunk.text[spec.time].tolist())
            refuse_missing(times, chunk.text[spec.time], spec.time, location)
        for row, value in enumerate(values.tolist()):
            if spec.step:
                steps = (float(times[row]) - last) / spec.step
                whole = round(steps)
                if whole < 1 and number == 0:
                    continue  # rows that the forecaster was fitted on
                if whole < 1 or abs(steps - whole) > 0.2 or whole > _LONGEST_GAP:
                    got = "a decreasing time" if whole < 1 else f"{steps:.4g} steps after the row before"
                    raise RateDiffersError(f"a row every {spec.step:g} s", got, f"{name} line {int(lines[row])}")
                for k in range(1, whole):
                    yield math.nan, last + k * spec.step
                last = last + whole * spec.step
            number += 1
            yield value, last
    if number == 0:
        raise SeriesError("rows after the last training row of the forecaster", "none", name)
