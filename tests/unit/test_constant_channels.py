"""A channel that never moves in training is watched: leaving its value is an anomaly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.data.table_proposal import propose_table
from edgewright.monitor.detectors import kind
from edgewright.workflows.detection.rows import read_watched

ROWS = 600


def write(path: Path, level: float) -> Path:
    x = np.random.default_rng(0).normal(size=(ROWS, 2)).round(3)
    rows = [f"{i / 10:.1f},{a},{b},{230 if i < ROWS // 2 else level:g},on" for i, (a, b) in enumerate(x)]
    path.write_text("time,a,b,supply,state\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("name", ["pca", "limits", "robust", "own_past", "spectral_residual", "k_means", "var"])
def test_a_drop_of_a_constant_channel_is_odd(name: str, tmp_path: Path) -> None:
    usual = read_watched(str(write(tmp_path / "usual.csv", 230.0)))
    dropped = read_watched(str(write(tmp_path / "dropped.csv", 0.0)))
    assert [column.name for column in usual.columns] == ["a", "b", "supply"]
    part = kind(name)
    (stretch,) = usual.stretches
    running = part.start(part.fit(part.config(), stretch.values, stretch.time))
    calm = np.nanmax(
        part.start(part.fit(part.config(), stretch.values, stretch.time)).update(stretch.values, stretch.time)
    )
    (stretch,) = dropped.stretches
    before, half = stretch.values[: ROWS // 2], ROWS // 2
    running.update(before, stretch.time[:half])
    assert running.update(stretch.values[half : half + 1], stretch.time[half : half + 1])[0] > 1.5 * calm
    assert int(np.argmax(running.blame())) == 2


def test_models_of_labels_still_leave_constants_out(tmp_path: Path) -> None:
    path = write(tmp_path / "usual.csv", 230.0)
    assert "supply" in propose_table(str(path), {}).roles.ignored
    watched = propose_table(str(path), {}, texts=False, constants=True)
    assert "supply" not in watched.roles.ignored
    assert "state" in watched.roles.ignored


def test_a_label_of_one_value_is_no_channel(tmp_path: Path) -> None:
    path = write(tmp_path / "usual.csv", 230.0)
    path.write_text(path.read_text().replace("state", "anomaly").replace(",on", ",0"))
    assert [column.name for column in read_watched(str(path)).columns] == ["a", "b", "supply"]
