"""A column of times that comes in blocks: wraps, midnights, units and gaps are those of the whole column."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.clocks.reader import ClockReader
from edgewright.core.csv.header import Header
from edgewright.core.csv.rows import Rows
from edgewright.core.errors import TimeFormatError
from edgewright.core.input.recordings import Boundaries
from edgewright.core.input.samples import to_samples
from edgewright.core.records.data import Column
from edgewright.core.records.package import Manifest, RecordingColumns, WindowSpec
from edgewright.data.clock import read_clock

ROWS = 200
GAP_AT = 120


def _seconds() -> list[float]:
    """Return times of rows that come every half second, with ten seconds missing."""
    return [row / 2 + (10 if row >= GAP_AT else 0) for row in range(ROWS)]


CLOCKS = {
    "seconds": lambda s: f"{s:.1f}",
    "milliseconds that wrap": lambda s: str((60_000 + round(1e3 * s)) % 65_536),
    "32 bits that wrap": lambda s: str((2**32 - 30_000 + round(1e3 * s)) % 2**32),
    "epochs": lambda s: f"{1_714_564_800 + s:.1f}",
    "milliseconds of the epoch": lambda s: str(1_714_564_800_000 + round(1e3 * s)),
    "ISO": lambda s: str(np.datetime64("2024-05-01T23:59:20.000") + np.timedelta64(round(1e3 * s), "ms")),
    "times of day": lambda s: (
        f"{int((86_360 + s) % 86_400 // 3600):02d}:{int((86_360 + s) % 3600 // 60):02d}:{(86_360 + s) % 60:04.1f}"
    ),
    "local dates": lambda s: f"01.05.2024 12:{int(s // 60):02d}:{s % 60:04.1f}",
    "cells with a unit": lambda s: f"{1e3 * s:.0f} ms",
}


@pytest.mark.parametrize("block", [1, 7, ROWS])
@pytest.mark.parametrize("kind", CLOCKS)
def test_blocks_of_a_clock_are_the_whole_of_it(kind: str, block: int) -> None:
    cells = [CLOCKS[kind](second) for second in _seconds()]
    reader = ClockReader("time_ms" if "milli" in kind or "bits" in kind else "time")
    times = np.concatenate([reader.seconds(cells[start : start + block]) for start in range(0, ROWS, block)])
    np.testing.assert_allclose(times - times[0], _seconds(), atol=1e-3)
    boundaries = Boundaries(RecordingColumns(time="time"))
    starts = [
        start + row
        for start in range(0, ROWS, block)
        for row in boundaries.starts(
            {"time": np.array(cells[start : start + block])}, len(cells[start : start + block])
        )
    ]
    assert starts == [GAP_AT]


@pytest.mark.parametrize("kind", CLOCKS)
def test_a_reader_goes_on_from_its_state(kind: str) -> None:
    cells = [CLOCKS[kind](second) for second in _seconds()]
    name = "time_ms" if "milli" in kind or "bits" in kind else "time"
    first, second = ClockReader(name), ClockReader(name)
    times = first.seconds(cells[:70])
    second.go_on(first.state())
    np.testing.assert_allclose(np.concatenate([times, second.seconds(cells[70:])]) - times[0], _seconds(), atol=1e-3)


def test_a_cell_that_is_no_time_is_missing_and_the_others_go_on() -> None:
    times = ClockReader("t").seconds(["", "1", "soon", "3", "2024-05-01"])
    np.testing.assert_array_equal(times, [np.nan, 1, np.nan, 3, np.nan])
    with pytest.raises(TimeFormatError, match="got 'soon' - at row 3"):
        read_clock(np.array(["1", "2", "soon"]), column="t", unit="s", row_name=lambda row: f"row {row + 1}")


@pytest.mark.parametrize("cells", [["10 ms", "20 ms", "0.03 s"], ["10 ms", "20 ms", "30"], ["10", "20", "30 ms"]])
def test_a_clock_has_one_unit(cells: list[str]) -> None:
    with pytest.raises(TimeFormatError, match="row 3"):
        read_clock(np.array(cells), column="t", unit="auto", row_name=lambda row: f"row {row + 1}")
    reader = ClockReader("t")
    assert np.isfinite(reader.seconds(cells[:2])).all()
    assert np.isnan(reader.seconds(cells[2:])).all()


def _manifest() -> Manifest:
    return Manifest(
        name="m", task="classification", columns=(Column(name="x"),), shape=(1, 10),
        window=WindowSpec(samples=10, step=10, rate=200.0), labels=("a", "b"), target="y", thresholds={}, vectors=0,
        tolerance={}, forms={}, default="float", reference=(), licences=(), provenance={}, files=(),
        recordings=RecordingColumns(time="time"),
    )  # fmt: skip


@pytest.mark.parametrize("start", [1_714_564_800.0, 86_400.0])
def test_times_that_float32_rounded_are_refused(start: float) -> None:
    times = np.arange(ROWS) / 200 + start
    table = np.stack([np.arange(ROWS), times], 1)
    rows = Rows(("x", "time"), table.astype(np.float32), {}, {}, np.arange(ROWS), Header(("x", "time"), ","), "rows")
    with pytest.raises(TimeFormatError, match=r"float32.*time_columns"):
        to_samples(rows, _manifest())
    with pytest.raises(TimeFormatError, match="float32"):
        to_samples({"x": table[:, 0], "time": times.astype(np.float32)}, _manifest())
    gap = times + np.where(np.arange(ROWS) >= 105, 60, 0)
    assert len(to_samples({"x": table[:, 0], "time": gap}, _manifest())) == 10 + 9
    small = {"x": table[:, 0], "time": (gap - start).astype(np.float32)}
    assert len(to_samples(small, _manifest())) == 10 + 9


def test_quarters_of_a_second_are_no_days_however_they_are_split() -> None:
    cells = [f"{40_000 + row / 4:.2f}" for row in range(40)]
    whole = ClockReader("time").seconds(cells)
    reader = ClockReader("time")
    assert np.array_equal(np.concatenate([reader.seconds(cells[:2]), reader.seconds(cells[2:])]), whole)
    assert whole[1] - whole[0] == 0.25
