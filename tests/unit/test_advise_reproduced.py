"""The commands that an advice prints run as they stand, and give the model and the score that it showed."""

from __future__ import annotations

import csv
import gzip
import shlex
from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.schema.advice import Advice
from edgewright.schema.race import rung_of
from edgewright.schema.trace import Trace
from support import shared_data

Capture = pytest.CaptureFixture[str]


def _few_people(path: Path, people: int) -> list[str]:
    """Return rows of the first people of WISDM 1.1 with their columns, as a CSV file; gives the header."""
    with gzip.open(shared_data("har-wisdm-v1.1") / "WISDM_ar_v1.1_transformed.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    users = sorted({row["user"] for row in rows}, key=int)[-people:]
    names = [name for name in rows[0] if name != "UNIQUE_ID" and not name.startswith(("X", "Z"))]
    with path.open("w", newline="", encoding="utf-8") as out:
        write = csv.writer(out)
        write.writerow(names)
        for row in rows:
            if row["user"] in users:
                stairs = "stairs" if "stairs" in row["class"] else "other"
                write.writerow([{"class": stairs}.get(name, row[name].replace("?", "")) for name in names])
    return names


@pytest.mark.needs_data
@pytest.mark.slow
def test_the_next_command_gives_the_score_that_the_advice_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    names = _few_people(tmp_path / "steps.csv", 6)
    requested = "advise steps.csv --target class --group user --no-curve --metric balanced-accuracy --out advice"
    cli(*requested.split())
    advice = msgspec.json.decode((tmp_path / "advice" / "advice.json").read_bytes(), type=Advice)
    assert advice.ladder is not None
    shown = rung_of(advice.ladder, advice.ladder.chosen)
    assert shown is not None
    assert shown.score is not None
    with (tmp_path / "new.csv").open("w", encoding="utf-8") as out:
        rows = (tmp_path / "steps.csv").read_text(encoding="utf-8").splitlines()
        out.write("\n".join(rows[:5]) + "\n")
    for command in advice.commands:
        assert run(shlex.split(command)[1:]) == 0, command
    folder = tmp_path / "runs" / shlex.split(advice.commands[1])[-1].removeprefix("runs/")
    trace = msgspec.json.decode((folder / "trace.json").read_bytes(), type=Trace)
    assert trace.evaluation is not None
    assert trace.evaluation.scores == {"balanced accuracy": shown.score}
    recalls = [row.recall for row in trace.evaluation.classes]
    assert sum(recalls) / len(recalls) == pytest.approx(shown.score.value, abs=1e-9)
    assert trace.evaluation.folds == advice.ladder.folds == 6
    assert trace.evaluation.samples == advice.ladder.samples
    assert trace.refit is not None
    assert (trace.refit.kept, trace.refit.samples) == (True, advice.ladder.samples)
    assert f"{shown.score.value:.4g}" in trace.verdict
    assert "user" in names
