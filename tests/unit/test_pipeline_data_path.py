"""A run remembers where its data lay: `prove` and `compress` find them, and say when they have gone or changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import MissingFileError
from edgewright.core.package import read_package
from edgewright.pipeline.run_folder import store
from edgewright.pipeline.run_folder.store import Remembered, read_record, remembered
from edgewright.workflows.proof.workflow import prove_place
from small_pipeline import rows, write_rows, write_toml

Capture = pytest.CaptureFixture[str]
SET = ["--set", "training.epochs=2", "--set", "compression.max_drop=1.0"]


def moved_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run whose data were named on the command line, by a path relative to where it was typed."""
    (folder / "here").mkdir(parents=True)
    write_rows(folder / "here" / "mine.csv", rows(("idle", "off", "on"), 200))
    write_toml(folder / "small.toml", folder / "elsewhere.csv")
    monkeypatch.chdir(folder / "here")
    assert run(["run", "../small.toml", "--data", "mine.csv", "--out", "../runs", *SET]) == 0
    monkeypatch.chdir("/")
    return folder / "runs" / "small"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return moved_package(tmp_path, monkeypatch)


@pytest.mark.slow
def test_prove_and_compress_find_the_data_from_anywhere(folder: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "here" / "mine.csv")
    assert Path(path).samefile(remembered(folder).path)
    record = prove_place(str(folder))
    assert record.source == "test samples of small" and not record.notes
    out = tmp_path / "smaller"
    assert run(["compress", str(folder), "--int8", "--max-drop", "100%", "--out", str(out)]) == 0
    assert Path(path).samefile(read_record(out).data_path)
    assert prove_place(str(out)).source == "test samples of small"


@pytest.mark.slow
def test_the_path_enters_neither_the_package_nor_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (moved_package(tmp_path / name, monkeypatch) for name in ("a", "b"))
    packages = [read_package(folder / "small.edge") for folder in (first, second)]
    assert packages[0].sha256 == packages[1].sha256
    assert remembered(first).path != remembered(second).path
    for package in packages:
        assert not any(
            b"mine.csv" in content or str(tmp_path).encode() in content for content in package.files.values()
        )
    assert str(tmp_path).encode() not in (first / "small.edge").read_bytes()


@pytest.mark.slow
def test_data_that_have_gone_are_named(folder: Path, tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    (tmp_path / "here" / "mine.csv").rename(tmp_path / "moved.csv")
    record = prove_place(str(folder))
    assert record.passed and record.source == "test vectors of the package"
    assert "no such file or folder" in record.notes[0] and "mine.csv" in record.notes[0]
    arguments = ["compress", str(folder), "--int8", "--max-drop", "100%", "--out", str(tmp_path / "smaller")]
    capsys.readouterr()
    err = cli(*arguments, code=2)
    assert "no such file or folder" in err and "--data" in err and err.count("\n") == 1
    assert run([*arguments, "--data", str(tmp_path / "moved.csv")]) == 0


@pytest.mark.slow
def test_data_that_have_changed_are_said_to_be_others(folder: Path, tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    shutil.copy(tmp_path / "here" / "mine.csv", tmp_path / "same.csv")
    write_rows(tmp_path / "here" / "mine.csv", rows(("idle", "off", "on"), 190))
    record = prove_place(str(folder))
    assert record.passed and "have changed since the run" in record.notes[0] and "mine.csv" in record.source
    assert not prove_place(str(folder), data=str(tmp_path / "same.csv")).notes
    capsys.readouterr()
    err = cli("compress", folder, "--int8", "--out", tmp_path / "smaller", code=2)
    assert "samples that have changed since" in err and err.count("\n") == 1
    assert not (tmp_path / "smaller").exists()


def test_a_folder_without_a_record_remembers_nothing(tmp_path: Path) -> None:
    known = remembered(tmp_path)
    assert known == Remembered() and known.data_location() is None and not known.changed("abc")
    with pytest.raises(MissingFileError, match="no such file or folder"):
        Remembered(str(tmp_path / "gone")).data_location()


def test_data_that_moved_with_the_folder_of_their_run_are_found(tmp_path: Path) -> None:
    before, after = tmp_path / ".job-1.tmp", tmp_path / "job"
    (after / "words" / "recordings").mkdir(parents=True)
    (after / "run").mkdir()
    location = store._moved(str(before / "words" / "recordings"), after / "run")
    assert location == str(after / "words" / "recordings")
    gone = str(before / "others")
    assert store._moved(gone, after / "run") == gone
    assert store._moved("s3://bucket/words", after / "run") == "s3://bucket/words"
    assert store._moved("", after / "run") == ""
