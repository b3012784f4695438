"""Pipelines over windows: recordings of real people, features or raw samples, and windows at the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgewright.cli.main import run
from edgewright.core.errors import InputError
from edgewright.core.predictor import load
from edgewright.pipeline.config import parse
from edgewright.pipeline.run import run_pipeline
from support import shared_data

if TYPE_CHECKING:
    from conftest import Lesson

HAPT = """\
name = "people"
refit = false
seed = 1
[data]
kind = "hapt"
[window]
samples = 128
step = 64
[split]
test_groups = ["7"]
validation = 0.3
[[stages]]
kind = "union"
[[stages.parts]]
kind = "statistics"
[[stages]]
kind = "scale"
method = "standard"
[[model.layers]]
kind = "dense"
units = 16
[training]
epochs = 8
batch = 32
learning_rate = 0.003
[compression]
max_drop = 0.1
"""
RAW = """\
name = "raw"
refit = false
[data]
kind = "{kind}"
[window]
samples = 100
step = 100
[[model.layers]]
kind = "conv1d"
filters = 4
kernel = 5
[[model.layers]]
kind = "global_average_pool"
[training]
epochs = 2
[compression]
max_drop = 1.0
"""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Provide a few recordings of the set, linked into a folder of their own."""
    origin = shared_data("har-hapt")
    folder = tmp_path / "hapt"
    folder.mkdir()
    wanted = sorted(origin.glob("exp*_user0[1-7].csv.gz"))
    for path in (*wanted, origin / "labels.csv", origin / "labels.csv.gz"):
        if path.exists():
            (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.slow
@pytest.mark.needs_data
def test_real_people_go_from_recordings_to_a_package(people: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no group 'nobody'"):
        run_pipeline(parse(HAPT.replace('"7"', '"nobody"'), "people.toml"), data=str(people), out=tmp_path / "runs")
    result = run_pipeline(parse(HAPT, "people.toml"), data=str(people), out=tmp_path / "runs")
    evaluation = result.trace.evaluation
    assert evaluation is not None
    assert evaluation.split_by == "group"
    assert [row.group for row in evaluation.groups] == ["7"]
    assert evaluation.accuracy is not None
    assert evaluation.accuracy.value > 0.6
    assert len(evaluation.labels) == 6
    assert result.trace.warnings == ()
    disturbed = {row.disturbance for row in result.trace.compression.robustness} if result.trace.compression else set()
    assert {"sampling rate +2 %", "sampling rate -2 %", "axes x and y swapped"} <= disturbed
    assert {f"{kind} gain {sign}5 %" for kind in ("acceleration", "rotation") for sign in "+-"} <= disturbed
    manifest = load(result.folder).manifest
    assert manifest.shape == (6, 128)
    assert manifest.window is not None
    assert (manifest.window.samples, manifest.window.step, manifest.window.rate) == (128, 64, 50.0)


@pytest.mark.slow
def test_raw_windows_go_through_a_convolution(tmp_path: Path) -> None:
    result = run_pipeline(parse(RAW.format(kind="basic_motions"), "raw.toml"), out=tmp_path)
    assert [layer.kind for layer in result.trace.layers] == ["conv1d", "global_average_pool", "dense"]
    assert result.trace.stages[0].shape_out[1:] == (6, 100)
    answers = load(result.folder).predict(np.zeros((2, 6, 100), np.float32))
    assert answers.probabilities.shape == (2, 4)


def test_rows_of_a_file_become_windows_at_the_package(
    lesson: Callable[[str], Lesson], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lesson("demo").folder
    predictor = load(folder)
    window = predictor.package.vectors()[:2]
    names = [column.name for column in predictor.manifest.columns]
    rows = window.transpose(0, 2, 1).reshape(-1, len(names))
    lines = [",".join(names), *(",".join(f"{value:.9g}" for value in row) for row in rows)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    assert run(["predict", str(folder), "--csv", str(tmp_path / "rows.csv")]) == 0
    wanted = predictor.predict(window)
    shown = capsys.readouterr().out.splitlines()
    assert [line.split(", ")[0] for line in shown] == [
        f"row {number * 100 + 1}: {label}" for number, label in enumerate(wanted.labels)
    ]
    (tmp_path / "few.csv").write_text("\n".join(lines[:50]) + "\n")
    assert run(["predict", str(folder), "--csv", str(tmp_path / "few.csv")]) == 2
    assert "expected at least 100 rows, one window, got fewer" in capsys.readouterr().err


def test_the_demo_tells_four_motions_apart(lesson: Callable[[str], Lesson]) -> None:
    planned = lesson("demo")
    evaluation = planned.trace.evaluation
    assert evaluation is not None
    assert evaluation.accuracy is not None
    assert set(evaluation.labels) == {"badminton", "running", "standing", "walking"}
    assert evaluation.accuracy.value >= 0.7
    assert "offline" in planned.text.lower()
    assert (planned.folder / "demo.edge").stat().st_size < 500_000
