"""Every command takes the same columns of a file for the target, and so the same task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.pipeline.check import check_data
from edgewright.search.advise.contract import AdviceRequest, framing_of
from edgewright.search.advise.inspection import inspect
from edgewright.search.ladder.setup import problem_and_config
from edgewright.workflows.own_data.proposal import OwnDataRequest, look

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
    problem = problem_and_config(path, {})[0]
    assert (problem.dataset.target_name, problem.task) == (target, task)
    framing = framing_of(inspect(path), AdviceRequest(data=path))
    assert task in framing.tasks
    # Who leaves it out, or asks for another task, has none.
    assert not check_data(path, ignore=(target,)).task
    for request in (AdviceRequest(data=path, ignore=(target,)), AdviceRequest(data=path, task="anomaly")):
        assert "anomaly" in framing_of(inspect(path), request).tasks


def test_a_target_that_only_its_place_says_is_taken_by_commands_that_need_one(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", "note")
    assert look(OwnDataRequest(path=path)).roles.target == "note"
    assert problem_and_config(path, {})[0].dataset.target_name == "note"
    assert not check_data(path).task
    assert "anomaly" in framing_of(inspect(path), AdviceRequest(data=path)).tasks


def test_a_series_of_a_usual_name_alone_is_no_target(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("time,demand\n" + "\n".join(f"{i},{i % 7}" for i in range(ROWS)) + "\n")
    assert "forecasting" in framing_of(inspect(str(path)), AdviceRequest(data=str(path))).tasks
