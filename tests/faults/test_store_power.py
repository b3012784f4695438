"""A sample of `make faults`: power cuts and kills; and that those tests see a store that does not flush."""

from __future__ import annotations

import subprocess
import sys

import pytest
from benchmarks.faults.cases import store_power, store_repair
from benchmarks.faults.model import Disk, Operation
from benchmarks.faults.states import check_all, states

from edgewright.runtime.store import database
from support import ROOT

pytestmark = pytest.mark.slow


def test_a_power_cut_at_any_step_takes_nothing_that_was_promised() -> None:
    counts = dict(store_power.run(0.02))
    assert [result.wrong for result in counts.values()] == [[], []]
    assert sum(result.count for result in counts.values()) >= 150
    assert all(set(result.states) == {"dropped", "kept", "reordered", "torn"} for result in counts.values())


def test_a_rescue_may_be_cut_off_at_any_step() -> None:
    ((_, result),) = store_repair.run(0.04)
    assert result.wrong == []
    assert result.count >= 30


def test_a_process_may_be_killed_at_any_step() -> None:
    # In a process of its own: it forks, which a process that other tests have filled with threads may not.
    command = [sys.executable, "-m", "benchmarks.faults", "store_kill", "--share", "0.04"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = [line.split("|") for line in done.stdout.splitlines() if "kill -9" in line]
    assert int(row[2]) >= 8
    assert int(row[4]) == 0


@pytest.mark.parametrize("weaker", ["synchronous=FULL", "synchronous=EXTRA"])
def test_a_store_that_flushes_less_is_seen(monkeypatch: pytest.MonkeyPatch, weaker: str) -> None:
    real = database.Database.execute

    def weak(self: database.Database, sql: str, arguments: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        return real(self, sql.replace(weaker, "synchronous=OFF"), arguments)

    monkeypatch.setattr(database.Database, "execute", weak)
    steps = store_power.record()
    monkeypatch.undo()
    result = check_all(states({}, steps, 3, 0.03), store_power.check)
    assert len(result.wrong) > 5


def test_the_model_keeps_what_was_flushed_and_nothing_else() -> None:
    import random

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
