"""A sample of `make faults`: power cuts and kills; and that those tests see a store that does not flush."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.faults.model import Disk, Operation
from benchmarks.faults.recorder import Recorder
from benchmarks.faults.states import check_all, record, states
from benchmarks.faults.workload import Workload, workloads

from edgewright.core.files import write_atomic
from edgewright.device.store import database
from support import ROOT

pytestmark = pytest.mark.slow


# A process of its own: it forks, which a process that other tests have filled with threads may not.
@pytest.fixture(scope="module")
def table() -> dict[str, tuple[int, str]]:
    """Provide rows of the table of a small share: states, and what they were."""
    command = [sys.executable, "-m", "benchmarks.faults", "--share", "0.01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines() if line.startswith("|")]
    assert {row[4] for row in rows[2:]} == {"0"}
    return {row[1]: (int(row[2].replace(",", "")), row[3]) for row in rows[2:]}


@pytest.mark.parametrize("name", sorted(workloads()))
def test_a_cut_or_a_kill_at_any_step_takes_nothing_that_was_promised(
    name: str, table: dict[str, tuple[int, str]]
) -> None:
    ((cut, ways), (again, _), (killed, _)) = sorted(
        (row_count for label, row_count in table.items() if label.startswith(f"{workloads()[name].what}:")),
        reverse=True,
    )
    assert cut >= 15
    assert again >= 1
    assert killed >= 4
    assert ways


def test_the_full_disk_is_full_and_the_ballast_goes_and_comes_back() -> None:
    _, steps = record(workloads()["store_full"])
    ballast = [step.what for step in steps if step.name == "ballast"]
    assert ballast == ["create", "write", "truncate", "write", "truncate", "write"]


# Of the identity, which is flushed with EXTRA, a second copy stops most of the damage.
@pytest.mark.parametrize(("weaker", "share"), [("synchronous=FULL", 0.03), ("synchronous=EXTRA", 0.1)])
def test_a_store_that_flushes_less_is_seen(monkeypatch: pytest.MonkeyPatch, weaker: str, share: float) -> None:
    real = database.Database.execute

    def weak(self: database.Database, sql: str, arguments: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        return real(self, sql.replace(weaker, "synchronous=OFF"), arguments)

    monkeypatch.setattr(database.Database, "execute", weak)
    workload = workloads()["store"]
    start, steps = record(workload)
    monkeypatch.undo()
    assert len(check_all(states(start, steps, 3, share), workload.check).wrong) > 5


def test_the_model_keeps_what_was_flushed_and_nothing_else() -> None:
    model = Disk({"old": b"a" * 1024})
    for step in (
        Operation("write", "old", 0, b"b" * 1024),
        Operation("create", "new"),
        Operation("write", "new", 0, b"c" * 600),
        Operation("sync", "new"),
    ):
        model.apply(step)
    chance = random.Random(1)  # noqa: S311 - no secret
    assert model.after_cut("dropped", chance) == {"old": b"a" * 1024}
    assert model.after_cut("kept", chance) == {"old": b"b" * 1024, "new": b"c" * 600}
    mixed = {model.after_cut("reordered", chance)["old"] for _ in range(50)}
    assert {b"a" * 512 + b"b" * 512, b"b" * 512 + b"a" * 512} <= mixed
    model.apply(Operation("folder"))
    assert model.after_cut("dropped", chance)["new"] == b"c" * 600
    model.apply(Operation("rename", "new", other="old"))
    assert model.after_cut("dropped", chance)["old"] == b"a" * 1024
    assert model.after_cut("kept", chance) == {"old": b"c" * 600}


def test_a_folder_is_there_once_the_one_above_was_flushed() -> None:
    model, chance = Disk({}), random.Random(1)  # noqa: S311 - no secret
    for step in (
        Operation("folder-made", "new"),
        Operation("create", "new/file"),
        Operation("write", "new/file", 0, b"x"),
        Operation("sync", "new/file"),
    ):
        model.apply(step)
    assert model.after_cut("kept", chance) == {"new/file": b"x"}
    model.apply(Operation("folder", "new"))
    assert model.after_cut("dropped", chance) == {}
    model.apply(Operation("rename", "new", other="slot"))
    assert model.after_cut("kept", chance) == {"slot/file": b"x"}
    model.apply(Operation("folder"))
    assert model.after_cut("dropped", chance) == {"slot/file": b"x"}
    model.apply(Operation("delete", "slot"))
    assert model.after_cut("kept", chance) == {}


def _in_place(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _unflushed(path: Path, data: bytes) -> None:
    path.with_suffix(".new").write_bytes(data)
    path.with_suffix(".new").replace(path)


@pytest.mark.parametrize(("write", "sound"), [(write_atomic, True), (_in_place, False), (_unflushed, False)])
def test_plain_files_are_heard_without_a_word_of_theirs(write: Callable[[Path, bytes], None], sound: bool) -> None:
    first, *others = [bytes([65 + number]) * 1500 for number in range(6)]

    def prepare(folder: Path) -> None:
        (folder / "slots").mkdir()
        (folder / "slots" / "plan").write_bytes(first)

    def use(folder: Path, recorder: Recorder) -> None:
        for content in others:
            write(folder / "slots" / "plan", content)
            recorder.promise(content)

    def check(folder: Path, before: bytes | None, after: bytes | None) -> str:
        content = (folder / "slots" / "plan").read_bytes()
        return "" if content in {before or first, after} else "neither the old nor the new"

    start, steps = record(Workload("plain files", use, use, check, prepare=prepare))
    result = check_all(states(start, steps, 1), check)
    assert result.count >= 20
    assert (result.wrong == []) == sound
