"""What `edgewright drift` reads: rows with their times, and answers to their windows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.cli.command import BadRows
from edgewright.core.clocks.reader import ClockReader, refuse_missing
from edgewright.core.csv.rows import Rows, iter_csv
from edgewright.core.errors import ColumnMissingError, ModelError
from edgewright.core.input.recordings import Boundaries, RecordingWindower, Texts, columns_of, names_of
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import Floats
from edgewright.core.records.package import Manifest
from edgewright.monitor.drift.stream_monitor import DriftWatch

# Seconds beyond this are a date (after 1973).
_EPOCH = 1e8


def rows_of(
    path: str, manifest: Manifest, time_column: str, watch: DriftWatch
) -> Iterator[tuple[Floats, NDArray[np.float64], Texts]]:
    """Yield the package's columns, the times of the rows and the columns of recordings, block by block of the file.

    Args:
        path: of a CSV file; '-' is standard input.
        manifest: of the package.
        time_column: empty where times follow from the rate, or are row numbers.
        watch: which knows how many rows there were before.

    Raises:
        InputError: a column that is not there, a time that is none, or rows at another rate than in training.
    """
    wanted = [column.name for column in manifest.columns]
    source = sys.stdin if path == "-" else Path(path)
    name = "standard input" if path == "-" else Path(path).name
    needed = [*wanted, time_column] if time_column else wanted
    # A time that is an input is a number; float32 would round one that counts from 1970.
    wide = {time_column} & set(wanted)
    extra = {*names_of(manifest), time_column} - {"", *wide}
    named = columns_of(manifest)
    clock = ClockReader(time_column, named.time_unit if time_column == named.time else "auto")
    boundaries = Boundaries(named)
    done, bad_rows = watch.rows, BadRows() if path == "-" else None
    for chunk in iter_csv(
        source, name=name, only_columns={*wanted, *extra}, text_columns=extra, time_columns={time_column} & extra,
        float64_columns=wide, report=bad_rows, trained=manifest.columns,
    ):  # fmt: skip
        absent = [column for column in needed if column not in (*chunk.names, *chunk.text, *chunk.wide)]
        if absent:
            raise ColumnMissingError(f"the columns {', '.join(wanted)}", f"no {', '.join(absent)}", name,
                             "Add column names in the header")  # fmt: skip
        boundaries.starts(chunk.text, len(chunk), chunk)
        values = chunk.matrix(wanted)
        times = (done + np.arange(len(chunk))) / (watch.rate or 1.0)
        yield values, _times(clock, chunk, time_column, name) if time_column else times, chunk.text
        done += len(chunk)


def _times(clock: ClockReader, chunk: Rows, column: str, name: str) -> NDArray[np.float64]:
    cells = chunk.wide[column].astype(np.str_) if column in chunk.wide else chunk.text[column]
    times = clock.seconds(cells.tolist())
    refuse_missing(times, cells, column, lambda row: f"{name} line {chunk.lines[row]}")
    return times


def moment_text(seconds: float, watch: DriftWatch, dated: bool) -> str:
    """Return a date, or a count of seconds or rows."""
    if dated and abs(seconds) > _EPOCH:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{seconds:,.0f} s" if dated or watch.rate else f"row {seconds + 1:,.0f}"


def answered_rows(predictor: Predictor, watch: DriftWatch) -> Callable[[Floats, Texts], None]:
    """Return what predicts rows, in windows where the package has them, and tells the watch how sure the answers are.

    Raises:
        InputError: a package of amounts, which are never unsure.
    """
    manifest = predictor.manifest
    if predictor.regression:
        raise ModelError("a package of classes", "a regression package, which gives no confidence", "--confidence")
    window = manifest.window
    windower = None if window is None else RecordingWindower(manifest, window)

    def take(values: Floats, cells: Texts) -> None:
        samples = values
        if windower is not None:
            samples = np.array([sample for sample, _ in windower.push(values, cells)], np.float32)
        if len(samples):
            for confidence in predictor.predict(samples).confidence.tolist():
                watch.answered(confidence)

    return take
