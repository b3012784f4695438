"""Run folders: numbered, replaced only when asked, and whole or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edgewright.core.errors import InputError, OutputError, RunError
from edgewright.pipeline.run_folder import folder as folders
from edgewright.pipeline.run_folder.folder import (
    FINISHED_EPOCHS,
    free_name,
    last_stopped,
    new_run_folder,
    remove_stopped,
    stopped_folders,
    work_folder,
)
from small_pipeline import names
from support import ended_process


def fill(parent: Path, text: str, *, force: bool = False) -> Path:
    with new_run_folder(parent, "run", force=force) as location:
        (location.work / "deep").mkdir()
        (location.work / "deep" / "file").write_text(text)
    return location.final


def test_a_taken_name_gets_the_next_number(tmp_path: Path) -> None:
    folders = [fill(tmp_path / "new" / "runs", str(number)) for number in range(3)]
    assert [path.name for path in folders] == ["run", "run-2", "run-3"]
    assert [(path / "deep" / "file").read_text() for path in folders] == ["0", "1", "2"]
    folders[1].joinpath("deep", "file").unlink()
    folders[1].joinpath("deep").rmdir()
    folders[1].rmdir()
    assert free_name(folders[0].parent, "run").name == "run-2"


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
    with pytest.raises(RunError, match=r"expected a folder that can be written, got File exists.*--out"):
        fill(tmp_path / "file", "x")
    with pytest.raises(RunError, match=r"got Not a directory"):
        fill(tmp_path / "file" / "runs", "x")


def test_finished_folders_are_readable_by_others(tmp_path: Path) -> None:
    assert fill(tmp_path, "x").stat().st_mode & 0o777 == 0o755


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    ended = ended_process()
    dead = tmp_path / f".pump-{ended}-abc.tmp"
    alive = tmp_path / f".pump-{os.getpid()}-abc.tmp"
    other = tmp_path / f".pump-2-{ended}-abc.tmp"
    for folder in (dead, alive, other):
        folder.mkdir()
    (tmp_path / f".pump-{ended}-file.tmp").write_text("")
    with new_run_folder(tmp_path, "pump") as location:
        (location.work / "file").write_text("x")
    assert not dead.exists()
    assert alive.exists()
    assert other.exists()
    assert (tmp_path / "pump" / "file").exists()


def stopped(parent: Path) -> Path:
    """Return a folder that a killed run of the name 'pump' left with finished epochs."""
    folder = parent / f".pump-{ended_process()}-abc.tmp"
    folder.mkdir()
    (folder / FINISHED_EPOCHS).write_text("")
    return folder


def test_a_run_that_goes_on_is_not_swept_while_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, publish = stopped(tmp_path), folders._publish

    def with_another(*given: Any, **named: Any) -> Path:  # noqa: ANN401 - as of the original
        with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
            patch.setattr(folders, "_publish", publish)
            with new_run_folder(tmp_path, "pump"):
                raise KeyboardInterrupt
        return publish(*given, **named)

    monkeypatch.setattr(folders, "_publish", with_another)
    with new_run_folder(tmp_path, "pump", stopped=folder) as location:
        # Records in it may hold its path.
        assert location.work == folder
        (location.work / "file").write_text("x")
    assert (tmp_path / "pump" / "file").read_text() == "x"
    assert names(tmp_path) == ["pump"]


def test_a_run_that_goes_on_and_keeps_nothing_yet_is_not_swept(tmp_path: Path) -> None:
    with work_folder(tmp_path, "pump", stopped(tmp_path)) as work:
        (work / FINISHED_EPOCHS).unlink()
        with new_run_folder(tmp_path, "pump"):
            pass
        assert work.exists()
    assert names(tmp_path) == ["pump"]


GO_ON = """
import sys
from pathlib import Path
from edgewright.pipeline.run_folder.folder import new_run_folder
from edgewright.core.errors import InputError
parent, stopped = map(Path, sys.argv[1:])
print("ready", flush=True)
sys.stdin.readline()
try:
    with new_run_folder(parent, "pump", stopped=stopped) as location:
        sys.stdin.readline()
    print(location.final.name)
except InputError as error:
    print(error)
"""


def test_of_processes_that_go_on_at_once_one_does(tmp_path: Path) -> None:
    command = [sys.executable, "-c", GO_ON, str(tmp_path), str(stopped(tmp_path))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with ExitStack() as until_done:
        processes = [until_done.enter_context(subprocess.Popen(command, **pipes)) for _ in range(4)]
        assert {process.stdout.readline() for process in processes if process.stdout} == {"ready\n"}
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        # The one that goes on waits for its second line.
        deadline = time.monotonic() + 60
        while sum(process.poll() is None for process in processes) > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert stopped_folders(tmp_path, "pump", FINISHED_EPOCHS) == []
        with pytest.raises(RunError, match=r"expected a run, got one that another process goes on with .*Wait"):
            last_stopped(tmp_path, "pump", FINISHED_EPOCHS, "a run")
        remove_stopped(tmp_path, "pump", FINISHED_EPOCHS)
        outputs = sorted(process.communicate("\n" if process.poll() is None else None)[0] for process in processes)
    assert outputs.pop() == "pump\n"
    assert all("got one that another process goes on with" in line and "leave out --resume" in line for line in outputs)
    assert names(tmp_path) == ["pump"]


def test_a_disk_that_fails_while_a_run_is_flushed_leaves_what_it_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="go on with --resume"):
        patch.setattr(os, "fsync", full)
        with new_run_folder(tmp_path, "pump", stopped=stopped(tmp_path)) as location:
            (location.work / "file").write_text("x")
    with new_run_folder(tmp_path, "pump", stopped=last_stopped(tmp_path, "pump", FINISHED_EPOCHS, "a run")):
        pass
    assert names(tmp_path) == ["pump"]
