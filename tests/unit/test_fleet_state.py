"""The agent's small database, its slots, and its paces."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.faults.fleet_device import Even, content, release

from edgewright.device.store.database import connect
from edgewright.device.store.guarded_database import copy_of
from edgewright.fleet.device.backoff import Pace
from edgewright.fleet.device.device_state import Followed
from edgewright.fleet.device.package_slots import FolderSlots
from edgewright.fleet.device.state_database import FILE, OUTCOMES, PLANS, State
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_report import Acknowledged, Enrolled


def test_everything_is_there_again(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    state.enrol(Enrolled(device="f" * 32, tags=("north",), batch="b", at=5.0, nonce="n1"))
    outcome = state.outcome("refused", 3, "plan", 7.0, "vectors", "x" * 1000)
    state.change([outcome, outcome], active="b", floors={"pump": 4}, burned=(3,))
    assert state.next_sequence() == 1
    state.set_nonce("n2")
    before = (state.device_state, state.link, state.outcomes)
    state.close()
    again = State.open(tmp_path)
    assert (again.device_state, again.link, again.outcomes) == before
    assert [one.number for one in again.outcomes] == [1, 2]
    assert len(again.outcomes[0].detail) == 500
    assert again.link.tags == ("north",)
    again.acknowledge(Acknowledged(nonce="n3", outcomes=1))
    assert [one.number for one in again.outcomes] == [2]
    # A number that was acknowledged is not given again.
    again.acknowledge(Acknowledged(nonce="n4", outcomes=2))
    again.change([outcome])
    assert [one.number for one in again.outcomes] == [3]
    again.close()


def test_a_floor_never_sinks(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    state.change(floors={"pump": 4, "fan": 1})
    state.change(floors={"pump": 2})
    assert state.device_state.floors == {"pump": 4, "fan": 1}


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    state.change([state.outcome("confirmed", 1, "p", 0.0)])
    for _ in range(4):
        state.change([state.outcome("tested", 1, "p", 0.0)] * (OUTCOMES // 4))
    assert len(state.outcomes) == OUTCOMES
    assert state.outcomes[0].result == "confirmed"
    state.change(plans=[Followed(id=f"p{n}", sha256="", seen=0.0) for n in range(PLANS + 5)])
    assert len(state.device_state.plans) == PLANS
    assert state.device_state.plans[-1].id == f"p{PLANS + 4}"


def test_it_is_flushed_as_much_as_sqlite_can(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    assert state._database.value("PRAGMA synchronous") == 3
    assert state._database.value("PRAGMA journal_mode") == "delete"


def test_a_newer_file_is_refused_and_left(tmp_path: Path) -> None:
    State.open(tmp_path).close()
    copy_of(tmp_path / FILE).unlink()  # a newer Edgewright writes a newer copy, or none
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("PRAGMA user_version=9")
    with pytest.raises(InputError, match="version 9"):
        State.open(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (9,)


def test_rows_that_cannot_be_read_come_from_the_copy(tmp_path: Path) -> None:
    with closing(State.open(tmp_path)) as state:
        state.change(counter=7)
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute("INSERT OR REPLACE INTO kept VALUES ('held', '{\"active\": 7}')")
    with closing(State.open(tmp_path)) as state:
        assert state.device_state.counter == 7


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    state.close()
    state = State.open(tmp_path, connect, writable=False)
    before = state.device_state
    with pytest.raises(OutputError, match="readonly"):
        state.change(active="b")
    assert state.device_state == before


def test_a_slot_takes_a_download_in_parts_and_knows_its_bytes(tmp_path: Path) -> None:
    slots, one, data = FolderSlots(tmp_path), release(4), content(4)
    assert slots.holds("a") is None
    slots.write("a", 0, data[:100])
    assert FolderSlots(tmp_path).size("a") == 100
    with pytest.raises(OutputError, match="a download of 50 bytes"):
        slots.write("a", 50, b"x")
    slots.write("a", 100, data[100:])
    assert slots.finish("a", one, 3)
    assert slots.holds("a") == one
    assert (slots.floor("a"), slots.floor("b"), slots.size("a")) == (3, 0, 0)
    slots.raise_floor(9)
    slots.raise_floor(5)
    assert (slots.floor("a"), slots.floor("b")) == (9, 9)
    assert slots.holds("a") == one
    slots.path("a").write_bytes(data[:-1] + b"?")
    assert slots.holds("a") is None
    assert slots.floor("a") == 9


def test_wrong_bytes_empty_the_slot_and_keep_its_floor(tmp_path: Path) -> None:
    slots, one = FolderSlots(tmp_path), release(4)
    assert slots.put("b", content(4), one, 2)
    assert not slots.put("b", b"x" * one.length, release(5), 2)
    assert slots.holds("b") is None
    assert not slots.path("b").exists()
    assert slots.floor("b") == 2
    assert not slots.finish("b", one, 2)


def test_the_same_bytes_get_a_new_number_without_a_download(tmp_path: Path) -> None:
    slots = FolderSlots(tmp_path)
    assert slots.put("a", content(4), release(4), 0)
    back = release(6, old=4)
    assert slots.finish("a", back, 5)
    assert slots.holds("a") == back
    assert slots.floor("a") == 5


def test_a_label_of_another_format_is_none(tmp_path: Path) -> None:
    slots = FolderSlots(tmp_path)
    assert slots.put("a", content(4), release(4), 3)
    path = tmp_path / "slots" / "a" / "release.json"
    label = json.loads(path.read_text())
    path.write_text(json.dumps({**label, "format": 2}))
    with pytest.raises(InputError, match="format 2"):
        slots.floor("a")
    path.write_text("{")
    assert slots.floor("a") == 0


def test_a_pace_is_slower_after_each_failure_and_never_too_soon() -> None:
    pace = Pace(Even(), 60.0, 3600.0)
    assert pace.due == 0.0
    pace.good(1000.0)
    assert pace.due == pytest.approx(1060.0)
    waits = []
    for _ in range(12):
        pace.bad(0.0)
        waits.append(pace.due)
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(90.0)
    assert waits[-1] == pytest.approx(2700.0)
    pace.bad(0.0, 9999.0)
    assert pace.due == 9999.0
    pace.at_once(100.0)
    assert pace.due == 100.0
    pace.good(0.0)
    assert pace.failures == 0
