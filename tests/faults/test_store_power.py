"""Power cuts of a store, and limits of its file sizes."""

from __future__ import annotations

import os
import random
import signal
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
from edgewright.device.store import database, reader, status
from store_example import opened
from support import ROOT, environment

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


LIMIT, COMMITS = 7 << 20, 160
# Alarms, and raw rows or nothing else, until twice as much was stored as a file may hold; a line for each commit. Of a
# process that is to be killed the limit comes while it works, and with the signal's own effect.
SCRIPT = """
import resource, signal, sys
from pathlib import Path
from edgewright.device.store.store import Store
from edgewright.core.errors import EdgewrightError, InputError
from store_example import config, event, put_rows
raw, limit, commits = sys.argv[2] == "raw", int(sys.argv[3]), int(sys.argv[4])
try:
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    store = Store.open(Path(sys.argv[1]), config(ballast=1 << 19), "device-1")
    for number in range(commits):
        if not limit and number == 20:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
        label = "fall" if raw else "x" * 30_000
        numbers = store.append_events([event("alarm", label, number=number + i) for i in range(3)])
        if raw:
            put_rows(store, 15_000, seed=number)
        store.commit()
        print(store.boot, numbers[0], numbers[-1], flush=True)
    store.close()
except EdgewrightError as error:
    print("refused", error, flush=True)
    sys.exit(2 if isinstance(error, InputError) else 74)
"""


def run(folder: Path, work: str, limit: int = LIMIT) -> tuple[int, set[tuple[int, int]], str]:
    """Exit code, what was acknowledged, and what was refused."""
    command = [sys.executable, "-c", SCRIPT, str(folder), work, str(limit), str(COMMITS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    refused = [line for line in done.stdout.splitlines() if line.startswith("refused")]
    kept = [[int(word) for word in line.split()] for line in done.stdout.splitlines() if line not in refused]
    return done.returncode, {(boot, n) for boot, first, last in kept for n in range(first, last + 1)}, "".join(refused)


def test_raw_rows_make_room_and_every_alarm_is_there(tmp_path: Path) -> None:
    code, acknowledged, refused = run(tmp_path / "s", "raw")
    assert (code, refused) == (0, "")
    assert len(acknowledged) == 3 * COMMITS
    assert all(file.stat().st_size <= LIMIT for file in (tmp_path / "s").iterdir())
    with opened(tmp_path / "s") as store:
        assert {(s.boot, s.sequence) for s in reader.events(store.database, "alarm", limit=10**6)} == acknowledged
        assert status.of(store).dropped == ()
        assert store.database.value("PRAGMA integrity_check") == "ok"


def test_alarms_alone_wait_in_the_outbox_and_what_was_given_up_is_counted(tmp_path: Path) -> None:
    code, acknowledged, refused = run(tmp_path / "s", "alarms")
    assert (code, refused) == (0, "")
    assert len(acknowledged) == 3 * COMMITS
    with opened(tmp_path / "s") as store:
        waiting = set(store.database.execute("SELECT boot, sequence FROM outbox WHERE priority = 0"))
        lost = status.of(store).dropped
        assert waiting <= acknowledged
        assert sum(entry.items for entry in lost if entry.priority == 0) == len(acknowledged - waiting) > 0
        # The oldest went.
        assert waiting == set(sorted(acknowledged)[-len(waiting) :])


def test_a_process_that_the_signal_ends_loses_nothing_that_it_promised(tmp_path: Path) -> None:
    code, acknowledged, _ = run(tmp_path / "s", "raw", limit=0)
    assert code == -signal.SIGXFSZ
    assert acknowledged
    with opened(tmp_path / "s") as store:
        stored = {(s.boot, s.sequence) for s in reader.events(store.database, "alarm", limit=10**6)}
        assert acknowledged <= stored
        assert store.database.value("PRAGMA integrity_check") == "ok"


def test_a_limit_below_what_a_store_needs_is_said_before_anything_is_written(tmp_path: Path) -> None:
    code, acknowledged, refused = run(tmp_path / "s", "raw", limit=1 << 20)
    assert (code, acknowledged) == (2, set())
    assert "expected files that may grow to 6 MiB, got a limit of 1048576 bytes for a file" in refused
    assert "LimitFSIZE" in refused
