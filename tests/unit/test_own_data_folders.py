"""Folders of recordings, Parquet files and sound through `init --yes`, and through `run`."""

from __future__ import annotations

import shutil
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cli_runner import Cli
from edgewright.core.errors import DataWarning
from edgewright.core.input.riff import wav_bytes
from edgewright.workflows.own_data.proposal import OwnDataRequest, look
from support import shared_data


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def proposed_table() -> dict[str, dict[str, object]]:
    return tomllib.loads(Path("pipeline.toml").read_text())


def hapt(count: int) -> str:
    """Return a folder with the first recordings of HAPT: expNN_userMM.csv.gz."""
    Path("hapt").mkdir()
    for file in sorted(shared_data("har-hapt").glob("exp*_user*.csv.gz"))[:count]:
        shutil.copyfile(file, Path("hapt") / file.name)
    return "hapt"


def strolls(folder: str, *, extra: bool = False) -> str:
    """Write Parquet files named by label and person; `extra` adds columns of bytes and of lists."""
    Path(folder).mkdir()
    generator = np.random.default_rng(0)
    for activity, strength in (("walk", 3.0), ("rest", 0.2)):
        for person in ("ann", "bo", "cy", "di"):
            for take in range(3):
                values = generator.normal(0, strength, (400, 2))
                frame = pl.DataFrame({"left": values[:, 0], "right": values[:, 1]})
                frame = frame.with_columns(pl.duration(milliseconds=20 * pl.int_range(pl.len())).alias("time"))
                if extra:
                    frame = frame.with_columns(pl.lit(b"x").alias("raw"), pl.concat_list("left", "right").alias("both"))
                frame.write_parquet(Path(folder) / f"{activity}_{person}_{take}.parquet")
    return folder


def write_other_formats(folder: Path, ending: str) -> None:
    """Write tables of another kind than the ending into a folder, and a file that keeps a spreadsheet locked."""
    for other in {".jsonl", ".txt"} - {ending}:
        (folder / f"notes{other}").write_text('{"a": 1}\n')
    (folder / "README.txt").write_text("about these\n")
    (folder / "~$table.xlsx").write_bytes(b"locked")


def rows(ending: str) -> str:
    """Return a table of one label as text with this ending."""
    numbers = np.random.default_rng(0).normal(size=40).round(3).tolist()
    if ending == ".jsonl":
        return "".join(f'{{"a": {number}, "b": 1}}\n' for number in numbers)
    return "a,b\n" + "".join(f"{number},1\n" for number in numbers)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".txt"])
@pytest.mark.parametrize("pattern", ["{label}_{index}", "{label}/{index}", "labels.csv"])
def test_a_folder_has_data_of_one_kind_and_says_what_it_leaves_out(ending: str, pattern: str) -> None:
    folder = Path("folder")
    names = [pattern.format(label=label, index=index) if "{" in pattern else f"{label}x{index}"
             for label in ("walk", "rest") for index in range(4)]  # fmt: skip
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}{ending}").write_text(rows(ending))
    if "{" not in pattern:
        lines = [f"{name}{ending},{name.partition('x')[0]}" for name in names]
        (folder / pattern).write_text("\n".join(["file,label", *lines]) + "\n")
    write_other_formats(folder, ending)
    with pytest.warns(DataWarning, match="folder: read without"):
        data_report = look(OwnDataRequest(path="folder"))
    assert sorted(recording.name for recording in data_report.dataset.recordings) == sorted(
        f"{n}{ending}" for n in names
    )
    left_out = {".csv": "2 files", ".jsonl": "1 file", ".txt": "1 file"}[ending]
    assert data_report.preview.sentence([]).startswith(f"without {left_out} of another kind (notes.")


@pytest.mark.slow
def test_what_a_folder_leaves_out_is_said_once(cli: Cli) -> None:
    write_other_formats(Path(strolls("strolls")), ".parquet")
    for command in (("init", "strolls", "--yes"), ("check", "strolls")):
        cli(*command)
        assert (cli.out + cli.err).count("without 2 files of another kind") == 1, command
    assert "without 2 files of another kind (notes.jsonl, notes.txt)" in Path("data.md").read_text()


def test_tables_beside_sounds_are_no_sounds(tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name in ("yes_1", "yes_2", "no_1", "no_2"):
        (folder / f"{name}.wav").write_bytes(wav_bytes(np.random.default_rng(0).normal(0, 0.1, (8000, 1)), 8000))
    write_other_formats(folder, ".wav")
    data_report = look(OwnDataRequest(path=str(folder)))
    assert [len(recording.values) for recording in data_report.dataset.recordings] == [8000] * 4
    assert data_report.preview.sentence([]) == "without 2 files of another kind (notes.jsonl, notes.txt)"


@pytest.mark.slow
def test_the_person_of_a_recording_stands_in_its_name(cli: Cli) -> None:
    cli("init", hapt(6), "--yes", "--target", "activity_id")
    data, split = proposed_table()["data"], proposed_table()["split"]
    assert (data["kind"], data["pattern"]) == ("folder", "exp{index}_user{group}")
    assert split["by"] == "group"
    assert "File names: exp{index}_user{group}" in Path("data.md").read_text()


@pytest.mark.slow
def test_parquet_files_are_labelled_by_their_names(cli: Cli) -> None:
    cli("init", strolls("strolls", extra=True), "--yes")
    data = proposed_table()["data"]
    assert (data["kind"], data["pattern"], data["time"]) == ("folder", "{label}_{group}_{index}", "time")
    assert set(data["ignore"]) == {"raw", "both"}  # type: ignore[call-overload]
    assert "50 rows a second" in Path("data.md").read_text()


@pytest.mark.slow
def test_durations_of_a_parquet_file_are_its_times() -> None:
    data_report = look(OwnDataRequest(path=str(shared_data("pamap2-excerpt") / "pamap2_subject102_exerpt.parquet")))
    assert (data_report.roles.target, data_report.roles.time) == ("activity", "time")
    assert data_report.dataset.rate == 100.0


def test_files_that_hold_something_else_are_one_line(cli: Cli) -> None:
    Path("bad").mkdir()
    for name, content in (("a.parquet", b"no parquet"), ("b.parquet", b"")):
        (Path("bad") / name).write_bytes(content)
    sounds = Path("sounds")
    sounds.mkdir()
    (sounds / "on_ann_0.wav").write_bytes(b"RIFFnothing")
    for folder, message in (("bad", "a whole Parquet file"), ("sounds", "on_ann_0")):
        err = cli("init", folder, "--yes", code=2)
        assert message in err
        assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet", "wav"])
def test_a_folder_runs_as_it_stands(kind: str, cli: Cli) -> None:
    if kind == "csv":
        folder = hapt(8)
    elif kind == "parquet":
        folder = strolls("strolls")
    else:
        folder = "digits"
        Path(folder).mkdir()
        with zipfile.ZipFile(shared_data("fsdd") / "recordings.zip") as recordings:
            for name in recordings.namelist():
                if name.endswith(".wav") and Path(name).stem.split("_")[0] in "01" and int(Path(name).stem[-1]) < 5:
                    Path(folder, Path(name).name).write_bytes(recordings.read(name))
    cli("init", folder, "--yes")
    assert proposed_table()["split"]["by"] == "group"
    cli("run", "pipeline.toml")
    assert list(Path("runs").glob("*/*.edge"))
