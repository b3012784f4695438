"""Days that go otherwise than was forecast at their beginning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.jobs.steps.unusual import errors, planted, usual_limit

JOB = """
title = "Which days?"
shows = "Unusual days."
minutes = 0.1
limits = ["Simulated."]
[[steps]]
kind = "unusual"
data = {{ kind = "csv", path = "{path}", time = "time" }}
column = "people"
horizon = 24
judge = 336
rows = {rows}
"""
DAYS, CROWD = 42, 35


@pytest.fixture
def visitors(tmp_path: Path) -> Path:
    """Provide hours of six weeks with a crowd on one afternoon."""
    rng = np.random.default_rng(2)
    lines = ["time,people"]
    for row in range(24 * DAYS):
        day, hour = divmod(row, 24)
        usual = (60 if day % 7 < 5 else 15) * max(0.0, np.sin((hour - 6) / 14 * np.pi)) if 6 <= hour <= 20 else 0.0
        lines.append(f"{row * 3600},{rng.poisson(usual * (2.5 if day == CROWD and hour > 12 else 1.0))}")
    path = tmp_path / "visitors.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_crowd_is_found_with_its_hours(visitors: Path, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    (folder / "job.toml").write_text(JOB.format(path=visitors, rows=6), encoding="utf-8")
    cli("jobs", "run", str(folder), "--out", str(tmp_path / "runs"))
    (step,) = json.loads((tmp_path / "runs" / "days" / "job.json").read_text())["steps"]
    lines = [line for line in step["says"] if line.startswith(f"From day {CROWD + 1} at 1")]
    assert len(lines) == 1
    figures = {one["name"]: one for one in step["figures"]}
    assert 1 <= figures["unusual"]["value"] <= 3
    assert figures["twice"]["value"] > 0.6
    assert figures["none"]["value"] > 0.6


def test_a_stretch_is_part_of_a_day(visitors: Path, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    (folder / "job.toml").write_text(JOB.format(path=visitors, rows=25), encoding="utf-8")
    assert "rows of at most 24" in cli("jobs", "run", str(folder), "--out", str(tmp_path / "runs"), code=2).replace(
        "\n", " "
    )


def test_as_many_days_as_asked_are_beyond_the_limit() -> None:
    usual = np.random.default_rng(1).normal(size=(28, 5))
    assert (np.abs(usual).max(axis=1) > usual_limit(usual, 14)).sum() == 2
    assert (np.abs(usual).max(axis=1) > usual_limit(usual, 29)).sum() == 0


def test_what_is_made_up_changes_the_busiest_stretch_alone() -> None:
    forecasts = np.array([[1.0, 5.0, 6.0, 2.0]])
    came = np.array([[1.0, 4.0, 7.0, 2.0]])
    np.testing.assert_array_equal(planted(forecasts, came, 2, 0.0), [[1.0, 0.0, 0.0, 2.0]])
    np.testing.assert_array_equal(errors(forecasts, planted(forecasts, came, 2, 2.0), 2), [[3.0, 11.0, 8.0]])
