"""The agent stores its place with what came of the rows: crashes that repeat, updates, full disks, purges."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_example import RATE, event_lines, package, recording, signal
from edgewright.cli.main import run
from edgewright.core.records.device import Event, Packet
from edgewright.device.agent.settings import check_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.agent.stream import StreamState
from edgewright.device.sources import short_source
from edgewright.device.store import reader, status
from edgewright.device.store.store import Store

DECISION = {"smoothing": 3, "debounce": 2, "alarms": ["on"]}
PERIOD = 2.0


class Killed(BaseException):
    """The process ends here: nothing behind it runs."""


@pytest.fixture(scope="module", autouse=True)
def _no_waiting() -> Iterator[None]:
    """Let a look at a file that does not grow take hundredths of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgewright.device.agent.loop._WAIT", 0.02)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package(tmp_path / "switch.edge")
    (tmp_path / "rows.csv").write_text("time,level,heat\n")
    return tmp_path


def append(folder: Path, begin: float, end: float) -> None:
    values = signal(end, period=PERIOD, seed=6)
    first = round(begin * RATE)
    path = folder / "more.csv"
    recording(path, values)
    with (folder / "rows.csv").open("a") as file:
        file.write("".join(path.read_text().splitlines(keepends=True)[1 + first :]))


def turns(folder: Path, max_rows: int, settings: dict[str, Any] | None = None, source: str = "") -> list[Event]:
    """Run the agent until nothing has come in so many looks."""
    events: list[Event] = []
    table = {"packages": [{"path": "switch.edge", "decision": DECISION}], **(settings or {})}
    configured, looks = check_settings(table, folder, "device.toml"), iter(range(max_rows))
    run_agent(
        configured, short_source(source or f"csv:{folder / 'rows.csv'}"), folder / "store",
        stop=lambda: next(looks, None) is None, say=events.append, publish=events.extend, begin=lambda _: None,  # type: ignore[arg-type]
    )  # fmt: skip
    return events


def alarms(folder: Path) -> list[int]:
    with reader.look(folder / "store") as database:
        stored = [one.event for one in reader.events(database, kind="alarm", limit=10_000, newest=False)]
    return [int(event.time // PERIOD) for event in stored]


def test_rows_of_the_time_between_two_runs_are_answered_and_the_status_says_where_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns(folder, 2)
    append(folder, 0.0, 5.3)
    turns(folder, 3)
    append(folder, 5.3, 12.0)
    turns(folder, 3)
    assert alarms(folder) == list(range(6))
    source = status.read_state(folder / "store").source
    assert source is not None
    assert source.reached == f"byte {(folder / 'rows.csv').stat().st_size:,} of rows.csv"
    assert (source.loses, source.ended, source.starts) == ("", True, 0)
    capsys.readouterr()
    assert run(["device", "status", "--store", str(folder / "store")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("source csv")]
    assert f"read to {source.reached}, stored 20" in line
    assert line.endswith("nothing is lost while the agent is away")


def test_another_package_reads_on_at_the_place(folder: Path) -> None:
    turns(folder, 2)
    append(folder, 0.0, 4.0)
    turns(folder, 2)
    package(folder / "switch.edge", thresholds={"confidence": 0.55})
    append(folder, 4.0, 10.0)
    turns(folder, 3)
    assert alarms(folder) == list(range(5))


def test_rows_whose_turn_failed_are_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns(folder, 2)
    append(folder, 0.0, 4.0)
    turns(folder, 2)
    append(folder, 4.0, 8.0)
    finish = StreamState.finish

    def failing(self: StreamState) -> Any:  # noqa: ANN401
        if finish(self)[2]:  # after all of it went into the states
            raise RuntimeError("once")
        return [], [], []

    monkeypatch.setattr(StreamState, "finish", failing)
    with pytest.raises(RuntimeError, match="once"):
        turns(folder, 3)
    monkeypatch.undo()
    assert alarms(folder) == [0, 1]
    turns(folder, 3)
    assert alarms(folder) == [0, 1, 2, 3]


@pytest.mark.parametrize("rows", [3, 40])
def test_rows_that_end_the_agent_again_and_again_are_left_out_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    turns(folder, 2)
    append(folder, 0.0, 4.0)
    with (folder / "rows.csv").open("a") as file:
        file.writelines(f"{4.0 + index / RATE:.3f},1e38,20\n" for index in range(rows))
    take = StreamState.take

    def poisoned(self: StreamState, packet: Packet, arrived: float) -> None:
        if (packet.values > 1e37).any():
            raise Killed
        take(self, packet, arrived)

    monkeypatch.setattr(StreamState, "take", poisoned)
    monkeypatch.setattr("edgewright.device.sources.csv._BYTES", 1000)
    from edgewright.device.agent.loop import Agent

    monkeypatch.setattr(Agent, "_end", lambda _: None)
    ends = 0
    for _ in range(12):
        try:
            turns(folder, 40)
            break
        except Killed:
            ends += 1
    assert 4 <= ends < 12
    append(folder, 4.0 + rows / RATE, 10.0)
    monkeypatch.undo()
    turns(folder, 8)
    with reader.look(folder / "store") as database:
        details = [one.event.detail for one in reader.events(database, kind="health", label="source")]
    assert any("were left out: the agent ended at them 3 times" in str(detail) for detail in details)
    # Behind them it goes on; what lay before them was stored once.
    assert alarms(folder)[-2:] == [3, 4]
    assert len(set(alarms(folder))) == len(alarms(folder))


def test_a_place_is_not_ahead_of_what_a_full_disk_took(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns(folder, 2)
    append(folder, 0.0, 6.0)
    monkeypatch.setattr(
        "edgewright.device.store.group_commit.Committer._write",
        lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")),
    )
    with pytest.raises(Exception, match="No space left"):
        turns(folder, 3)
    monkeypatch.undo()
    assert alarms(folder) == []
    turns(folder, 3)
    assert alarms(folder) == [0, 1, 2]


def test_a_purge_of_rows_keeps_the_place_and_one_of_what_was_learnt_forgets_it(folder: Path) -> None:
    turns(folder, 2)
    append(folder, 0.0, 4.0)
    turns(folder, 2)
    for name, missed in (("rows", False), ("learnt", True)):
        with Store.open(folder / "store") as store:
            status.purge(store, [name])
        before = alarms(folder)
        at = 4.0 if name == "rows" else 8.0
        append(folder, at, at + 4.0)
        turns(folder, 2)
        new = alarms(folder)[len(before) :]
        assert new == ([] if missed else [2, 3])


def test_a_clock_that_was_set_back_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns(folder, 2)
    append(folder, 0.0, 5.1)
    turns(folder, 2)
    monkeypatch.setattr("time.time", lambda: 86400.0)
    append(folder, 5.1, 10.0)
    turns(folder, 2)
    assert alarms(folder) == [0, 1, 2, 3, 4]


def test_a_recording_that_was_interrupted_goes_on_and_one_that_ended_begins_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(folder, 0.0, 60.0)
    source = f"replay:{folder / 'rows.csv'}"
    whole = turns(folder, 1000, source=source)
    assert event_lines(whole, "alarm") == event_lines(turns(folder, 1000, source=source), "alarm")
    for max_rows in (1, 1, 1000):
        part = turns(folder, max_rows, source=source)
    assert 0 < len(event_lines(part, "alarm")) < len(event_lines(whole, "alarm"))
    assert np.array_equal(np.bincount(alarms(folder)), np.full(30, 3))
    # A live source on the same store knows nothing of it, and goes on at its own place.
    assert status.read_state(folder / "store").source is None


def test_the_name_of_a_new_store_is_durable_in_the_folders_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    Store.open(tmp_path / "a" / "b").close()
    assert {str(tmp_path), str(tmp_path / "a")} <= set(flushed)
