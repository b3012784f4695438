"""Leaks between the sides of a split are found, and only those."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Column, Samples, Split
from edgewright.data.splits import digests, overlap


def _samples(**changes: NDArray[Any] | float | None) -> Samples:
    rng = np.random.default_rng(0)
    parts: dict[str, Any] = {
        "X": rng.normal(size=(40, 2, 8)).astype(np.float32),
        "y": np.tile(["x", "y"], 20),
        "groups": np.repeat(["p", "q", "r", "s"], 10),
        "sessions": np.repeat([f"d{i}" for i in range(8)], 5),
        "starts": np.tile(np.arange(5) * 8, 8),
        "columns": (Column(name="a"), Column(name="b")),
        "rate": 50.0,
    } | changes
    return Samples(**parts)


def _split(test: NDArray[np.int64]) -> Split:
    everything = np.arange(40)
    rest = np.setdiff1d(everything, test)
    return Split(train=rest[::2], validation=rest[1::2], test=np.asarray(test), by="row")


def test_sides_that_are_apart_have_no_findings() -> None:
    assert overlap(_samples(), _split(np.arange(30, 40)), 8) == ()


def test_the_same_person_and_session() -> None:
    findings = overlap(_samples(), _split(np.arange(32, 40)), 8)
    assert [(f.kind, f.severity) for f in findings] == [("same-group", "error"), ("same-session", "warning")]
    assert findings[0].numbers == {"groups": 1.0, "share": 1.0}
    assert findings[1].numbers["share"] == 3 / 8
    assert "100.0 % of the test samples come from a known person" in findings[0].sentence


def test_sessions_are_counted_for_each_person() -> None:
    sessions = np.tile(np.repeat(["1", "2"], 5), 4)
    assert overlap(_samples(sessions=sessions, starts=np.arange(40) * 8), _split(np.arange(30, 40)), 8) == ()


def test_overlapping_windows() -> None:
    samples = _samples(starts=np.tile(np.arange(5) * 4, 8), groups=None)
    kinds = {f.kind: f for f in overlap(samples, _split(np.arange(32, 40)), 8)}
    assert kinds["overlapping-windows"].numbers == {"windows": 1.0, "share": 1 / 8}
    assert kinds["overlapping-windows"].severity == "error"


def test_identical_samples_with_missing_values() -> None:
    samples = _samples()
    samples.X[0, 0, 0] = np.nan
    samples.X[35] = samples.X[0]
    (finding,) = overlap(samples, _split(np.arange(30, 40)), 8)
    assert (finding.kind, finding.numbers) == ("identical", {"samples": 1.0, "share": 0.1})


def test_a_table_is_no_session() -> None:
    samples = _samples(sessions=np.full(40, "table"), starts=np.arange(40), groups=None, rate=None)
    assert overlap(samples, _split(np.arange(30, 40)), None) == ()


def test_digests_are_equal_for_equal_values_only() -> None:
    X = np.array([[0.0, np.nan], [-0.0, -np.nan], [0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    hashes = digests(X)
    assert hashes[0] == hashes[1]
    assert len(set(hashes.tolist())) == 3


def test_an_empty_side_has_no_findings() -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert overlap(_samples(), Split(train=np.arange(40), validation=nothing, test=nothing, by="row"), 8) == ()
