"""What `check` says about data: each fault is planted and must be found with its place, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.contract import Finding, by_column, few, percent
from edgewright.data.quality import examine

Array = NDArray[Any]
RNG = np.random.default_rng(0)
ROWS = 400


def _set(
    values: Array | list[list[float]],
    names: str = "a b",
    target: Array | None = None,
    rate: float | None = None,
    **parts: Array | None,
) -> DataSet:
    columns = tuple(Column(name=name) for name in names.split())
    parts.setdefault("groups", np.full(len(values), "p"))
    recording = Recording(name="r.csv", values=np.asarray(values, dtype=np.float32), target=target, **parts)  # type: ignore[arg-type]
    return DataSet(name="s", columns=columns, recordings=(recording,), rate=rate)


def _clean() -> Array:
    return np.random.default_rng(1).normal(size=(ROWS, 2))


def _labels() -> Array:
    return np.where(np.random.default_rng(2).random(ROWS) < 0.5, "x", "y")


def _time() -> Array:
    return np.arange(ROWS) / 50.0


def _finding(data: DataSet, kind: str) -> Finding:
    (finding,) = [f for f in examine(data).findings if f.kind == kind]
    return finding


def test_good_data_have_notes_only() -> None:
    quality = examine(_set(_clean(), target=_labels(), time=_time(), rate=50.0))
    assert {f.severity for f in quality.findings} == {"note"}
    assert {f.kind for f in quality.findings} == {"rate", "balance"}
    assert (quality.rows, quality.labelled, quality.columns, quality.groups, quality.rate) == (ROWS, ROWS, 2, 1, 50.0)
    assert sum(quality.classes.values()) == ROWS


def test_missing_values_with_their_longest_run() -> None:
    values = _clean()
    values[10:40, 0] = np.nan
    values[100, 0] = np.nan
    finding = _finding(_set(values, time=_time(), rate=50.0), "missing")
    assert finding.numbers == {"missing": 31.0, "share": 31 / ROWS, "longest_run": 30.0}
    assert finding.severity == "warning"
    assert "longest run is 30 rows from row 11 (0.200 s)" in finding.sentence


def test_constant_columns_and_ranges() -> None:
    values = _clean()
    values[:, 1] = 7
    data = _set(values)
    assert _finding(data, "constant").column == "b"
    ranged = DataSet(
        name="s", columns=(Column(name="a", unit="C", minimum=-1.0), Column(name="b")), recordings=data.recordings
    )
    finding = _finding(ranged, "range")
    assert finding.numbers["outside"] == float((values[:, 0] < -1).sum())
    assert "outside -1..inf C (smallest" in finding.sentence


def test_gaps_turned_round_and_repeated_times() -> None:
    time = _time()
    time[200:] += 3.0
    time[50] = time[49]
    time[300], time[301] = time[301], time[300]
    data = _set(_clean(), time=time, rate=50.0)
    gap = _finding(data, "gap")
    assert gap.numbers["gaps"] == 1
    assert gap.numbers["longest_seconds"] == pytest.approx(3.02)
    assert "after row 200 (3.980 s)" in gap.sentence
    assert "the first is row 51" in _finding(data, "time-repeats").sentence
    assert _finding(data, "time-goes-back").severity == "error"


def test_a_declared_rate_that_the_times_deny() -> None:
    finding = _finding(_set(_clean(), time=np.arange(ROWS) / 52.0, rate=50.0), "rate-differs")
    assert finding.sentence == "the declared rate is 50 rows a second, the times give 52 rows a second"


def test_jitter_is_a_warning() -> None:
    time = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.03, ROWS))
    assert _finding(_set(_clean(), time=time, rate=50.0), "rate").severity == "warning"


def test_stuck_sensors_but_not_states() -> None:
    values = _clean()
    values[100:160, 0] = 0.5
    values[:, 1] = np.repeat([0.0, 1.0], ROWS // 2)
    finding = _finding(_set(values), "stuck")
    assert finding.column == "a"
    assert finding.numbers["longest_run"] == 60
    assert "from row 101" in finding.sentence


def test_copied_rows_and_identifiers() -> None:
    values = _clean()
    values[200:220] = values[:20]
    assert _finding(_set(values), "repeated").numbers == {"copies": 20.0, "share": 20 / ROWS}
    values[:, 1] = np.arange(ROWS)
    assert _finding(_set(values), "identifier").column == "b"
    values[:, 1] = np.random.default_rng(0).permutation(ROWS) * 3
    assert "named like an identifier" in _finding(_set(values, "a user_id"), "identifier").sentence


@pytest.mark.parametrize(
    ("scale", "declared", "severity", "unit"),
    [
        (9.81, "", "note", "m/s²"),
        (9.81, "g", "warning", "m/s²"),
        (1000.0, "g", "warning", "mg"),
        (1.0, "", "note", "g"),
    ],
)
def test_gravity_tells_the_unit(scale: float, declared: str, severity: str, unit: str) -> None:
    values = np.random.default_rng(0).normal(0, 0.05, (ROWS, 3)) + np.array([0, 0.6, 0.8])
    data = _set(values * scale, "acc_x acc_y acc_z")
    columns = tuple(Column(name=c.name, unit=declared) for c in data.columns)
    finding = _finding(DataSet(name="s", columns=columns, recordings=data.recordings), "unit")
    assert finding.severity == severity
    assert f" in {unit}" in finding.sentence


def test_units_that_differ_between_recordings() -> None:
    values = np.random.default_rng(0).normal(0, 0.05, (ROWS, 3)) + np.array([0, 0, 1])
    one, two = (_set(values * s, "accX accY accZ").recordings[0] for s in (1.0, 1000.0))
    data = _set(values, "accX accY accZ")
    finding = _finding(DataSet(name="s", columns=data.columns, recordings=(one, two)), "mixed-units")
    assert finding.severity == "error"


def test_kelvin_and_fractions() -> None:
    values = np.stack(
        [np.random.default_rng(0).normal(295, 3, ROWS), np.random.default_rng(1).uniform(0.2, 0.9, ROWS)], 1
    )
    recordings = _set(values).recordings
    data = DataSet(
        name="s",
        columns=(Column(name="temperature", unit="C"), Column(name="humidity", unit="%")),
        recordings=recordings,
    )
    assert [f.column for f in examine(data).findings if f.kind == "unit"] == ["temperature", "humidity"]
    values[: ROWS // 2, 0] -= 273.15
    assert _finding(_set(values, "temp b"), "mixed-units").numbers == {"kelvin": 0.5, "celsius": 0.5}


def test_rare_classes_one_class_and_unlabelled_rows() -> None:
    target = np.array(["x"] * 390 + ["y"] * 6 + [""] * 4)
    quality = examine(_set(_clean(), target=target))
    assert quality.classes == {"x": 390, "y": 6}
    assert quality.labelled == 396
    kinds = {f.kind: f for f in quality.findings}
    assert kinds["balance"].severity == "warning"
    assert "'y' with 6 rows (1.5 %)" in kinds["balance"].sentence
    assert kinds["unlabelled"].numbers["rows"] == 4
    assert _finding(_set(_clean(), target=np.full(ROWS, "x")), "one-class").severity == "error"


def test_columns_that_give_the_target_away() -> None:
    y = RNG.integers(0, 3, ROWS)
    values = _clean()
    values[:, 1] = y
    assert _finding(_set(values, target=y.astype(float)), "target-leak").severity == "error"
    values[:, 1] = np.array([5, 1, 9])[y]
    assert (
        "each of its values belongs to one class"
        in _finding(_set(values, target=y.astype(str)), "target-leak").sentence
    )
    values[:, 1] = y * 10 + RNG.random(ROWS)
    assert "each class has its own range" in _finding(_set(values, target=y.astype(str)), "target-leak").sentence
    values[:, 1] = values[:, 0] * 2 + 1
    assert {f.column for f in examine(_set(values, target=values[:, 0] * 3)).findings if f.kind == "target-leak"} == {
        "a",
        "b",
    }


def test_values_at_the_limits_of_float32() -> None:
    values = np.full((30, 2), 3e38)
    values[0] = -3e38
    assert examine(_set(values, "accx temp", target=_labels()[:30])).rows == 30


def test_what_is_unknown_is_said() -> None:
    kinds = {f.kind for f in examine(_set(_clean(), groups=None)).findings}
    assert {"no-time", "no-group", "no-target"} <= kinds


def test_words() -> None:
    assert (percent(0.0312), percent(0.00001)) == ("3.1 %", "0.001 %")
    assert few(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_people_read_one_line_a_column() -> None:
    values = _clean()
    values[10:60, 0] = np.nan
    values[100:220, 0] = 5.0
    findings = examine(_set(values, target=_labels())).findings
    assert [f.kind for f in findings if f.column == "a"] == ["missing", "stuck"]
    (line,) = [f for f in by_column(findings) if f.column == "a"]
    assert line.severity == "warning"
    assert line.sentence.startswith("a: 50 values are missing (12.5 %)")
    assert ". Also: stays at 5 for 120 rows from row 101" in line.sentence
    assert [f for f in by_column(findings) if not f.column] == [f for f in findings if not f.column]
