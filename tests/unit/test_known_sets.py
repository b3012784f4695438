"""Folders of public sets are named with the loader that reads them; a person's own folders are not."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.data.public import names, public_set, set_at
from edgewright.pipeline.check import check_data
from small_pipeline import write_rows
from support import shared_data


def test_each_copy_is_found_under_a_name_of_its_own_and_under_any_other(tmp_path: Path) -> None:
    there = {name: shared_data(public_set(name).folder) for name in names() if public_set(name).folder}
    assert len(there) > 15
    for name, folder in there.items():
        assert set_at(folder) == name
        (tmp_path / f"copy-{name}").mkdir()
        has_marks = len(public_set(name).marks) > 0
        for file in folder.rglob("*") if has_marks else ():
            (tmp_path / f"copy-{name}" / file.name).touch()
        assert set_at(tmp_path / f"copy-{name}") == (name if has_marks else "")


def test_a_folder_of_ones_own_with_the_name_of_a_set_is_no_copy(tmp_path: Path) -> None:
    for name, file in (("occupancy", "datatraining.txt"), ("skab", "anomaly-free.csv"), ("nab", "backup.zip")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
        write_rows(tmp_path / name / "room.csv", [["1", "free"], ["2", "busy"]], header="co2,y")
        assert set_at(tmp_path / name) == ""


@pytest.mark.slow
def test_init_writes_the_loader_of_a_set_and_check_reads_by_it(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "downloaded"
    folder.symlink_to(shared_data("ecg200"))
    cli("init", folder, "--yes", "--budget", "0.1s", "--out", tmp_path / "out")
    assert "the public set ecg200, by its loader" in cli.err
    assert tomllib.loads((tmp_path / "out/pipeline.toml").read_text())["data"]["kind"] == "ecg200"
    assert "the public set ecg200" in check_data(str(folder)).columns


def test_columns_that_a_person_names_are_those_of_a_table(tmp_path: Path) -> None:
    for number, name in enumerate(("ai4i2020.csv", "b.csv")):
        write_rows(
            tmp_path / name, [[f"{number + row}", ("free", "busy")[row % 2]] for row in range(40)], header="co2,y"
        )
    assert set_at(tmp_path) == "ai4i2020"
    assert check_data(str(tmp_path), target="y").task == "classification"


@pytest.mark.parametrize("name", ["clinc150", "snips"])
def test_a_set_of_texts_is_named(name: str, tmp_path: Path, cli: Cli) -> None:
    err = cli("init", shared_data(name), "--yes", "--out", tmp_path, code=2)
    assert f"the public set {name}, which has texts" in err
