"""One command from labels by a brought model to students: nothing before the audit, then students, C and proof."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.language.distillation import texts
from edgewright.language.labelling.audit import unanswered
from edgewright.language.labelling.project import Project
from label_example import answer, write_texts
from own_model_files import sentence_encoder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave two sizes."""
    monkeypatch.setattr(texts.TextStudents, "sizes", ("4kB", "8kB"))


def command(folder: Path) -> list[str]:
    """Return the command that is repeated."""
    if not (folder / "texts.csv").exists():
        write_texts(folder / "texts.csv")
        sentence_encoder(folder / "encoder")
    return ["label", "suggest", str(folder / "texts.csv"), "--out", str(folder / "p.labelling"), "--least", "0",
            "--class", "lamp=the on", "--class", "food=please", "--label-errors", "0.3",
            "--encoder", str(folder / "encoder"), "--then", "train"]  # fmt: skip


def audited(folder: Path, cli: Cli) -> list[str]:
    """Return the command behind an audit that is answered."""
    requested = command(folder)
    cli(*requested, code=1)
    with Project(folder / "p.labelling") as project:
        answer(project, unanswered(project), how="blind")
    return requested


def test_nothing_is_trained_before_the_audit_is_answered(tmp_path: Path, cli: Cli, small: None) -> None:
    requested = command(tmp_path)
    first = cli(*requested, code=1)
    assert "label review" in first and "nothing is trained before it" in first
    again = cli(*requested, code=1)
    assert "0 of" in again and not (tmp_path / "p.labelling.students").exists()


def test_the_same_command_trains_and_proves_behind_the_audit(tmp_path: Path, cli: Cli, small: None) -> None:
    requested = audited(tmp_path, cli)
    record = json.loads(cli(*requested, "--json"))
    assert record["judged_by"] == "the audited sample" and record["judges"] == record["audit"]["answered"]
    assert [row["name"] for row in record["students"]] == ["4kB", "8kB"]
    assert record["brought"]["accuracy"]["value"] == 1 - record["audit"]["errors"] / record["audit"]["answered"]
    assert any("C" in form for form in record["forms"])
    assert Path(record["model"]).is_file() and list(Path(record["code"]).glob("*.c"))
    state = tmp_path / "p.labelling.students" / "students.json"
    before = state.stat().st_mtime_ns
    assert json.loads(cli(*requested, "--json")) == record, "a second call goes on and has nothing left to do"
    assert state.stat().st_mtime_ns == before
