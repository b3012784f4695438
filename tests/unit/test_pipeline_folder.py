"""Run folders: numbered, replaced only when asked, and whole or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.pipeline.folder import free_name, new_run_folder
from edgewright.schema.errors import InputError, OutputError
from small_pipeline import names


def fill(parent: Path, text: str, *, force: bool = False) -> Path:
    with new_run_folder(parent, "run", force=force) as location:
        (location.work / "deep").mkdir()
        (location.work / "deep" / "file").write_text(text)
    return location.final


def test_a_taken_name_gets_the_next_number(tmp_path: Path) -> None:
    made = [fill(tmp_path / "new" / "runs", str(number)) for number in range(3)]
    assert [path.name for path in made] == ["run", "run-2", "run-3"]
    assert [(path / "deep" / "file").read_text() for path in made] == ["0", "1", "2"]
    made[1].joinpath("deep", "file").unlink()
    made[1].joinpath("deep").rmdir()
    made[1].rmdir()
    assert free_name(made[0].parent, "run").name == "run-2"


def test_force_replaces_the_folder_and_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    fill(tmp_path, "old")
    (tmp_path / "run" / "more").write_text("old")
    assert fill(tmp_path, "new", force=True) == tmp_path / "run"
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == ["deep"]
    assert (tmp_path / "run" / "deep" / "file").read_text() == "new"


def test_a_run_takes_the_place_of_the_one_that_it_names_and_no_other(tmp_path: Path) -> None:
    fill(tmp_path, "of another")
    first = fill(tmp_path, "first")
    with new_run_folder(tmp_path, "run", replaces=first) as location:
        (location.work / "file").write_text("better")
    assert location.final == first
    assert names(tmp_path) == ["run", "run-2"]
    assert names(first) == ["file"]
    assert (tmp_path / "run" / "deep" / "file").read_text() == "of another"


@pytest.mark.parametrize("error", [ValueError("defect"), KeyboardInterrupt(), InputError("x"), SystemExit(3)])
def test_whatever_ends_a_run_nothing_is_left_and_the_old_run_stays(tmp_path: Path, error: BaseException) -> None:
    fill(tmp_path, "old")
    with pytest.raises(type(error)), new_run_folder(tmp_path, "run", force=True) as location:
        (location.work / "half").write_text("half")
        raise error
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run" / "deep" / "file").read_text() == "old"


def test_a_name_taken_while_the_run_went_on_is_not_overwritten(tmp_path: Path) -> None:
    with new_run_folder(tmp_path, "run") as location:
        (location.work / "file").write_text("slow")
        fill(tmp_path, "quick")
    assert location.final == tmp_path / "run-2"
    assert (tmp_path / "run" / "deep" / "file").read_text() == "quick"
    assert (tmp_path / "run-2" / "file").read_text() == "slow"


def test_a_full_disk_is_an_output_error_and_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    text = "expected room to write the run, got No space left"
    with pytest.raises(OutputError, match=text), new_run_folder(tmp_path, "run"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(ConnectionError), new_run_folder(tmp_path, "run"):
        raise ConnectionError(errno.ECONNRESET, "reset")
    assert names(tmp_path) == []


def test_a_parent_that_is_a_file_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"expected a folder that can be written, got File exists.*--out"):
        fill(tmp_path / "file", "x")
    with pytest.raises(InputError, match=r"got Not a directory"):
        fill(tmp_path / "file" / "runs", "x")


def test_finished_folders_are_readable_by_others(tmp_path: Path) -> None:
    assert fill(tmp_path, "x").stat().st_mode & 0o777 == 0o755


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead = tmp_path / f".pump-{done.stdout.strip()}-abc.tmp"
    alive = tmp_path / f".pump-{os.getpid()}-abc.tmp"
    other = tmp_path / f".pump-2-{done.stdout.strip()}-abc.tmp"
    for folder in (dead, alive, other):
        folder.mkdir()
    with new_run_folder(tmp_path, "pump") as location:
        (location.work / "file").write_text("x")
    assert not dead.exists()
    assert alive.exists()
    assert other.exists()
    assert (tmp_path / "pump" / "file").exists()
