"""Labels that are left out of a run come later, from a few examples each."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.data.load import load_data
from edgewright.data.targets import as_text
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.job import JobRecord

PIPELINE = """
name = "kinds"
refit = false
[data]
kind = "csv"
target = "kind"
group = "place"
without = ["e", "f", "g"]
[split]
test_groups = ["second"]
validation_groups = ["third"]
[[stages]]
kind = "scale"
method = "standard"
[model]
kind = "neighbours"
[device]
profile = "cortex-m4"
"""
JOB = """
title = "Which kind?"
shows = "New labels."
minutes = 0.1
limits = ["Simulated."]
[[steps]]
kind = "run"
[[steps]]
kind = "few_shot"
space = "features"
labels = 2
draws = 20
"""


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    folder = tmp_path / "kinds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["x,y,kind,place"]
    for number, kind in enumerate("abcdefg"):
        angle = number * 2 * np.pi / 7
        for room in ("first", "second", "third"):
            for x, y in rng.normal([9 * np.cos(angle), 9 * np.sin(angle)], 0.5, (6, 2)):
                lines.append(f"{x:.3f},{y:.3f},{kind},{room}")
    (folder / "rows.csv").write_text("\n".join(lines))
    (folder / "pipeline.toml").write_text(PIPELINE)
    (folder / "job.toml").write_text(JOB)
    return folder


@pytest.mark.slow
def test_labels_that_are_left_out_train_nothing_and_come_by_examples(kinds: Path, tmp_path: Path, cli: Cli) -> None:
    cli("jobs", "run", kinds, "--data", kinds / "rows.csv", "--out", tmp_path / "runs")
    kinds_folder = tmp_path / "runs" / "kinds"
    record = msgspec.json.decode((kinds_folder / "job.json").read_bytes(), type=JobRecord)
    step = record.steps[1]
    figures = {figure.name: figure for figure in step.figures}
    assert figures["right"].value > 0.95
    assert "3 labels that the run never saw" in step.says[0]
    trace = msgspec.json.decode((kinds_folder / "kinds" / "trace.json").read_bytes())
    assert trace["evaluation"]["labels"] == ["a", "b", "c", "d"]
    rows = tmp_path / "new.csv"
    rows.write_text("x,y\n" + "\n".join(line.rsplit(",", 2)[0] for line in _of(kinds, "e")))
    answers = cli("few-shot", "predict", kinds_folder / "few_shot" / "kinds.neighbours", "--csv", rows)
    assert answers.count(": e,") == 18


def _of(kinds: Path, kind: str) -> list[str]:
    return [line for line in (kinds / "rows.csv").read_text().splitlines()[1:] if f",{kind}," in line]


@pytest.mark.slow
def test_a_step_needs_labels_that_were_left_out(kinds: Path, tmp_path: Path, cli: Cli) -> None:
    (kinds / "pipeline.toml").write_text(PIPELINE.replace(', "f", "g"', ""))
    err = cli("jobs", "run", kinds, "--data", kinds / "rows.csv", "--out", tmp_path / "runs", code=1)
    assert "failed at few_shot" in err


def test_without_takes_labels_of_the_data_only(kinds: Path) -> None:
    table: dict[str, object] = {"kind": "csv", "path": str(kinds / "rows.csv"), "target": "kind", "ignore": ["place"]}
    (recording,) = load_data({**table, "without": ["a"]}, seed=0).recordings
    labels = as_text(recording.target)
    assert (labels == "").sum() == 18
    assert "a" not in labels
    with pytest.raises(UnknownNameError, match="no label 'z'"):
        load_data({**table, "without": ["z"]}, seed=0)
    with pytest.raises(InputError, match="without"):
        load_data({**table, "without": "a"}, seed=0)
    with pytest.raises(InputError, match="labels that can be left out"):
        load_data({**table, "target": "x", "ignore": ["place", "kind"], "without": ["a"]}, seed=0)
