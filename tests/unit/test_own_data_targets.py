"""The column that is predicted of public tables, where nobody says it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from benchmarks.default.content import Table
from benchmarks.default.forms import write
from benchmarks.default.sets import SETS

from cli_runner import Cli
from edgewright.data.preview import read_preview
from edgewright.data.roles import assign_roles
from support import shared_data


@pytest.mark.parametrize("name", [name for name, entry in SETS.items() if entry.kind == "rows"])
def test_a_table_of_rows_predicts_what_its_set_does(name: str, tmp_path: Path) -> None:
    content = SETS[name].read(shared_data("ai4i2020").parent)
    assert isinstance(content, Table)
    train, _ = write("rows", content, tmp_path)
    assert assign_roles(read_preview(str(train)).columns, {}).target == content.target


def test_another_target_is_offered_where_no_name_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    train, _ = write("rows", SETS["diabetes"].read(tmp_path), tmp_path)
    cli("init", train.name, "--yes", "--budget", "0.1s")
    assert tomllib.loads(Path("pipeline.toml").read_text())["data"]["target"] == "progression"
    assert "Another target: give --target COLUMN to the command, one of age, sex, bmi" in Path("data.md").read_text()
    cli("init", train.name, "--yes", "--force", "--budget", "0.1s", "--target", "bmi")
    assert "Another target" not in Path("data.md").read_text()
