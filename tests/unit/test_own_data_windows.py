"""Which lengths of windows `init` compares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cli_runner import Cli
from edgewright.workflows.own_data import proposal
from edgewright.workflows.own_data.proposal import OwnDataRequest, propose

PEOPLE, STRETCH, HZ = 14, 800, 50.0


@pytest.fixture
def stream(tmp_path: Path) -> str:
    """Write readings of fourteen people at 50 Hz, who each rest and then shake."""
    rng = np.random.default_rng(0)
    parts = []
    for number in range(PEOPLE):
        times = np.arange(2 * STRETCH) / HZ
        shakes = np.repeat([0.0, 1.0], STRETCH)
        values = {axis: shakes * np.sin(12 * times + index) + rng.normal(0, 0.3, len(times))
                  for index, axis in enumerate(("x", "y", "z"))}  # fmt: skip
        label = np.where(shakes > 0, "shake", "rest")
        parts.append(pl.DataFrame({"person": f"p{number:02d}", "time": times, **values, "label": label}))
    pl.concat(parts).write_csv(tmp_path / "stream.csv")
    return str(tmp_path / "stream.csv")


@pytest.mark.slow
def test_a_longer_window_is_tried_unless_that_would_take_minutes(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = OwnDataRequest(path=stream)
    assert [name for name, _ in propose(request).scores] == ["windows of 125 rows", "windows of 250 rows"]
    monkeypatch.setattr(proposal, "_TRIED_ROWS", PEOPLE * STRETCH)
    bounded = propose(request)
    assert not any("windows of" in name for name, _ in bounded.scores)
    assert "no longer window was tried on more than 11,200 rows" in bounded.why["window"]


@pytest.mark.slow
def test_classes_of_one_stretch_each_are_told_apart_among_neighbours(cli: Cli, tmp_path: Path) -> None:
    """No cut in time leaves both classes on both sides; the page says what such a test is worth."""
    rng = np.random.default_rng(0)
    rows = 4000
    moving = np.arange(rows) >= rows // 2
    values = {name: np.where(moving, 2.0, 0.1) * rng.normal(size=rows) for name in ("x", "y", "z")}
    label = np.where(moving, "moving", "still")
    pl.DataFrame({"time": np.arange(rows) / HZ, **values, "label": label}).write_csv(tmp_path / "one.csv")
    proposed = propose(OwnDataRequest(path=str(tmp_path / "one.csv")))
    assert proposed.table["split"] == {"by": "row"}
    assert proposed.why["split"].startswith("some class was recorded in one stretch only")
    cli("run", str(tmp_path / "one.csv"), "--out", str(tmp_path / "runs"))
    page = (tmp_path / "runs" / "one" / "trace.html").read_text("utf-8")
    assert "Mind: the test samples are of recordings that also trained, so expect less of new ones" in page
    assert ' id="race"' in page and "linear on features" in page
