"""Every command takes the same columns of a file for the target, and so the same task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.advice.frames import inspect, task_for
from edgewright.pipeline.check import check_data
from edgewright.workflows.own_data.proposal import OwnDataRequest, look, subject_of

ROWS = 400


def write(path: Path, target: str) -> str:
    """Write two readings of two machines, and a last column that follows them."""
    x = np.random.default_rng(0).normal(size=(ROWS, 2)).round(3)
    last = {"alarm": (x.sum(axis=1) > 1.5).astype(int), "demand": x.sum(axis=1).round(3), "note": x[:, 0] * 2}[target]
    rows = [f"pump-{i % 4},{a},{b},{y}" for i, ((a, b), y) in enumerate(zip(x, last, strict=True))]
    path.write_text(f"machine,flow,pressure,{target}\n" + "\n".join(rows) + "\n")
    return str(path)


@pytest.mark.parametrize(("target", "task"), [("alarm", "classification"), ("demand", "regression")])
def test_a_target_by_its_name_is_that_of_all_commands(target: str, task: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", target)
    own = look(OwnDataRequest(path=path))
    assert (own.roles.target, own.framing.task) == (target, task)
    checked = check_data(path)
    assert checked.task == task
    problem = subject_of(OwnDataRequest(path=path)).problem
    assert (problem.dataset.target_name, problem.task) == (target, task)
    assert task_for(inspect(path), "auto", "") == "classification"
    # Who leaves it out, or asks for another task, has none.
    assert not check_data(path, ignore=(target,)).task
    assert task_for(inspect(path), "anomaly", "") == "anomaly"


def test_a_target_that_only_its_place_says_is_taken_by_commands_that_need_one(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", "note")
    assert look(OwnDataRequest(path=path)).roles.target == "note"
    assert subject_of(OwnDataRequest(path=path)).problem.dataset.target_name == "note"
    assert not check_data(path).task
    assert task_for(inspect(path), "auto", "") == "anomaly"


def test_a_series_of_a_usual_name_alone_is_no_target(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("time,demand\n" + "\n".join(f"{i},{i % 7}" for i in range(ROWS)) + "\n")
    assert task_for(inspect(str(path)), "auto", "") == "anomaly"
