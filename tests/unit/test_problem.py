"""Folds that keep people, days and windows apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from benchmarks import HAPT

from edgewright.core.records.config import WindowConfig
from edgewright.pipeline.config import read_config
from edgewright.race.problem import folds, problem_of_pipeline
from race_problems import problem_of
from support import shared_data


def _table(path: Path, rows: int, group: bool = False) -> str:
    rng = np.random.default_rng(0)
    lines = ["time,a,b,person,label"]
    for row in range(rows):
        a = rng.normal()
        lines.append(f"{row * 3600},{a:.4f},{rng.normal():.4f},p{row % 4 if group else 0},{'on' if a > 0 else 'off'}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_groups_stay_whole_and_every_sample_judges_once(tmp_path: Path) -> None:
    table: dict[str, Any] = {"target": "label", "group": "person", "time": "time"}
    problem = problem_of(_table(tmp_path / "a.csv", 200, group=True), **table)[0]
    assert (problem.by, problem.units.max() + 1, problem.task, problem.classes) == (
        "group", 4, "classification", ("off", "on"),
    )  # fmt: skip
    splits = folds(problem, 3, seed=1)
    assert len(splits) == 3
    assert sorted(np.concatenate([fold.test for fold in splits]).tolist()) == list(range(200))
    for fold in splits:
        assert not set(problem.units[fold.train]) & set(problem.units[fold.test])
    assert len(folds(problem, 2, leave_one_out=True)) == 4


def test_days_are_kept_where_there_is_only_time(tmp_path: Path) -> None:
    table: dict[str, Any] = {"target": "label", "time": "time", "ignore": ["person"]}
    problem = problem_of(_table(tmp_path / "a.csv", 200), **table)[0]
    assert problem.by == "day"
    assert problem.units.tolist() == (np.arange(200) // 24).tolist()


def test_few_days_become_blocks_and_windows_never_overlap_across(tmp_path: Path) -> None:
    table: dict[str, Any] = {"target": "label", "time": "time", "ignore": ["person"]}
    window = WindowConfig(samples=8, step=2, within="recording")
    problem = problem_of(_table(tmp_path / "a.csv", 90), window, **table)[0]
    assert problem.by == "block"
    starts = problem.samples.starts
    for fold in folds(problem, 5):
        assert np.abs(starts[fold.train][:, None] - starts[fold.test]).min() >= 8


def test_rows_without_time_keep_the_mix_of_classes(tmp_path: Path) -> None:
    table: dict[str, Any] = {"target": "label", "ignore": ["person", "time"]}
    problem = problem_of(_table(tmp_path / "a.csv", 100), **table)[0]
    assert problem.by == "row"
    shares = [float((problem.y[fold.test] == "on").mean()) for fold in folds(problem, 5)]
    assert max(shares) - min(shares) <= 0.1


@pytest.mark.slow
@pytest.mark.needs_data
def test_people_of_the_test_are_never_among_the_samples() -> None:
    config = read_config(HAPT, ())
    problem = problem_of_pipeline(config, str(shared_data("har-hapt")))
    assert problem.held_out == config.split.test_groups
    assert problem.samples.groups is not None
    assert not set(problem.samples.groups.tolist()) & set(config.split.test_groups)
    assert problem.units.max() + 1 == 16


def test_one_file_of_several_people_holds_some_of_them_back(tmp_path: Path) -> None:
    config = read_config(HAPT, ())
    data = {
        "kind": "csv", "path": _table(tmp_path / "a.csv", 100, group=True), "target": "label", "group": "person",
        "time": "time",
    }  # fmt: skip
    split = msgspec.structs.replace(config.split, test_groups=("p1",))
    problem = problem_of_pipeline(msgspec.structs.replace(config, data=data, split=split, window=None))
    assert problem.samples.groups is not None
    assert sorted(set(problem.samples.groups.tolist())) == ["p0", "p2", "p3"]
    assert problem.samples.starts.tolist() == [row for row in range(100) if row % 4 != 1]
