"""Odd files of every family through every command that reads data: each reads what `init` reads, or refuses alike."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click
import pytest

from cli_runner import Cli
from edgewright.cli.main import cli as commands
from edgewright.core.errors import InputError
from edgewright.data.load import load_data
from edgewright.workflows.own_data.proposal import OwnDataRequest, look
from odd_files.judge import odd_file
from odd_files.readers import COMMANDS, OF_PACKAGES, OTHERS, differences, file_named, reading_of
from odd_files.shape import SEEDS, SHAPES

# Their rows are not all read by each command of a package, or not at all.
NOT_ALL = ("two_rates", "dates_of_two_meanings", "day_beside_time")
# One or two of each family.
FILES = (
    ("people_and_clock", 1),
    ("milliseconds_without_unit", 1),
    ("dates_with_slashes", 1),
    ("halves_of_a_day", 1),
    ("day_beside_time", 0),
    ("dates_of_two_meanings", 1),
    ("decimal_commas", 1),
    ("utf_16", 1),
    ("lines_beside_the_table", 1),
    ("excel_workbook", 0),
    ("parquet_table", 1),
    ("labels_in_file_names", 1),
    ("recordings_by_column", 1),
    ("two_rates", 0),
    ("one_hot_beside_text", 0),
    ("machines_in_text", 0),
    ("row_numbers", 0),
    ("series_in_columns", 1),
    ("spectra", 3),
    ("time_series_archive", 0),
)


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Return all commands below a command by their words."""
    if not isinstance(command, click.Group):
        return {" ".join(words): command}
    context = click.Context(command)
    below = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return {key: leaf for name, part in below if part for key, leaf in leaves(part, (*words, name)).items()}


def test_every_command_that_takes_data_is_tried_or_its_reason_is_known() -> None:
    names = {"data", "csv", "clean", "examples", "table", "recordings", "source"}
    takes = {name for name, leaf in leaves(commands).items() if names & {p.name for p in leaf.params}}
    assert takes - {*COMMANDS, *OF_PACKAGES, *OTHERS} == set()
    assert {*COMMANDS, *OF_PACKAGES, *OTHERS} <= set(leaves(commands))


@pytest.mark.parametrize(
    ("name", "seed", "command"),
    [
        pytest.param(name, seed, command, marks=[] if index == 0 else [pytest.mark.slow])
        for index, (name, seed) in enumerate(FILES)
        for command in COMMANDS
    ],
)
def test_a_command_reads_what_init_reads(
    name: str, seed: int, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = odd_file(name, seed, tmp_path)
    reading = reading_of(command, file, monkeypatch)
    try:
        usual = look(OwnDataRequest(path=str(file.path))).dataset
    except InputError:
        assert (reading.dataset, reading.code) == (None, 2)
        return
    assert reading.dataset is not None, f"refused with exit code {reading.code}"
    assert list(differences(command, reading.dataset, usual)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_init_writes_what_it_read_or_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    seed = len(name) % SEEDS
    file, out = odd_file(name, seed, tmp_path), Path("pipeline")
    refused = bool(file.truth.question)
    err = cli("init", file.path, "--yes", "--budget", "1s", "--out", out, code=2 if refused else 0)
    if refused:
        assert err.startswith("edgewright: error[")
        assert not out.exists()
        return
    table = tomllib.loads((out / "pipeline.toml").read_text())["data"]
    dataset = load_data({**table, "path": str(out / table["path"])}, seed=0)
    assert [column.name for column in dataset.columns]
    rows = sum(len(recording.values) for recording in dataset.recordings)
    assert file.truth.resampled_s or rows in (len(file.truth.y), file.truth.values.size)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [file for file in FILES if file[0] not in NOT_ALL])
def test_commands_of_a_package_read_the_rows_that_it_was_made_of(
    name: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    file = odd_file(name, seed, tmp_path)
    cli("run", file.path, "--budget", "1s", "--out", "runs")
    (run,) = Path("runs").iterdir()
    rows = file_named(file.path)
    counted = {}
    for command, words in OF_PACKAGES.items():
        time = f"?time={file.truth.time}" if file.truth.time else ""
        arguments = [word.format(run=run, data=file.path, file=rows, time=time) for word in words]
        out = cli(*arguments)
        counted[command] = len(out.splitlines())
    if file.truth.decision == "row":
        assert counted["predict"] == len(file.truth.y)
    assert min(counted.values()) > 0
