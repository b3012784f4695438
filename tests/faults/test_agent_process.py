"""The agent as a process: killed, told to end, given bad files, its source taken away and given back."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_example import RATE, Floats, package, parsed, recording
from agent_example import signal as rows_of
from edgewright.device.store import reader
from edgewright.device.store.tables import STORE_FILE

COMMAND = str(Path(sys.executable).with_name("edgewright"))
DECISION = """
[[packages]]
path = "switch.edge"
[packages.decision]
alarms = ["on", "off"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package(tmp_path / "switch.edge")
    (tmp_path / "device.toml").write_text(DECISION)
    return tmp_path


def agent(folder: Path, source: str, *more: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
    """Start it; its standard output is a file, so that nothing printed is lost with the pipe."""
    command = [COMMAND, "device", "run", "--config", "device.toml", "--store", "store", "--source", source, *more]
    with (folder / "printed").open("a") as out, (folder / "said").open("a") as err:
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, text=True, **options)


def refused(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [COMMAND, "device", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


def printed(folder: Path) -> list[dict[str, Any]]:
    """Whole lines of the agents so far."""
    text = (folder / "printed").read_text()
    return parsed(text[: text.rfind("\n") + 1])


def wait_for(folder: Path, text: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while text not in (folder / "printed").read_text():
        assert time.monotonic() < until, (folder / "said").read_text()
        time.sleep(0.02)


def append(path: Path, values: Floats, begin: float) -> float:
    """Write rows behind those that are there; the time at which the next one follows."""
    header = "" if path.exists() else "time,level,heat\n"
    lines = [f"{begin + index / RATE:.3f},{a:.5f},{b:.5f}" for index, (a, b) in enumerate(values.tolist())]
    with path.open("a") as file:
        file.write(header + "\n".join(lines) + "\n")
    return begin + len(values) / RATE


def stored(folder: Path) -> list[tuple[str, str, float]]:
    with reader.look(folder / "store") as database:
        records = list(reader.events(database, limit=100_000, newest=False))
    return [(one.event.kind, one.event.label, one.event.time) for one in records]


@pytest.mark.slow
def test_killed_again_and_again_it_loses_no_alarm_and_nothing_it_sent(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "device.toml").write_text(DECISION + '[[sink]]\nkind = "folder"\npath = "out"\n')
    rng = np.random.default_rng(4)
    values, at, begin = rows_of(600.0, period=2.0), 0, 0.0
    for _ in range(6):
        process = agent(folder, "csv:rows.csv?begin=start", "--json")
        seen = (folder / "printed").read_text().count('"alarm"')
        until, alarms = time.monotonic() + 60.0, 0
        # Killed at any moment after it has begun to tell alarms, however long its start takes here.
        wanted = int(rng.integers(4, 12))
        while alarms < wanted:
            assert time.monotonic() < until, (folder / "said").read_text()
            begin = append(folder / "rows.csv", values.take(range(at, at + 40), axis=0, mode="wrap"), begin)
            at += 40
            time.sleep(0.01 + 0.02 * float(rng.random()))
            alarms = (folder / "printed").read_text().count('"alarm"') - seen
        process.send_signal(signal.SIGKILL)
        process.wait()
    records = [event for event in printed(folder) if event["kind"] == "alarm"]
    assert len(records) > 20
    kept = stored(folder)
    missing = [one for one in records if ("alarm", one["label"], one["time"]) not in kept]
    assert missing == []
    sent: set[tuple[int, int]] = set()
    for path in (folder / "out").iterdir():
        items = [json.loads(line) for line in path.read_text().splitlines()]
        sent |= {(item["boot"], item["sequence"]) for item in items}
    with reader.look(folder / "store") as database:
        waiting = set(database.execute("SELECT boot, sequence FROM outbox"))
        events = set(database.execute("SELECT boot, sequence FROM events"))
    # Every event that is kept was sent or still waits; what was sent is kept.
    assert events <= sent | waiting
    assert sent <= events
    assert sent


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_told_to_end_it_stores_everything(folder: Path, number: signal.Signals, code: int) -> None:
    append(folder / "rows.csv", rows_of(20.0, period=2.0), 0.0)
    process = agent(folder, "csv:rows.csv?begin=start", "--json")
    wait_for(folder, '"alarm"')
    process.send_signal(number)
    assert process.wait(20) == code
    assert (folder / "said").read_text() == ""
    records = printed(folder)
    assert {event["kind"] for event in records} >= {"health", "decision", "alarm", "summary"}
    # An alarm is printed when it is on the disk; what came meanwhile is printed before it.
    assert sorted((e["kind"], e["label"], e.get("time", 0.0)) for e in records) == sorted(stored(folder))


@pytest.mark.slow
def test_a_source_that_vanishes_and_comes_back_is_read_on(folder: Path) -> None:
    begin = append(folder / "rows.csv", rows_of(6.0, period=2.0), 0.0)
    process = agent(folder, "csv:rows.csv?begin=start", "--json")
    wait_for(folder, '"alarm"')
    (folder / "rows.csv").unlink()
    wait_for(folder, "is gone: retrying")
    before = len(printed(folder))
    append(folder / "rows.csv", rows_of(6.0, period=2.0), begin + 100.0)
    until = time.monotonic() + 20
    while not any(event["kind"] == "alarm" for event in printed(folder)[before:]):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.terminate()
    assert process.wait(20) == 0


@pytest.mark.slow
def test_a_refused_package_leaves_the_old_one_at_work_and_everybody_is_told(folder: Path) -> None:
    recording(folder / "rows.csv", rows_of(4.0, period=2.0))
    run = ("run", "switch.edge", "--store", "store", "--source", "replay:rows.csv")
    package(folder / "switch.edge", wrong=0.01)
    code, text = refused(folder, *run)
    assert (code, "self-test of switch" in text) == (1, True)
    package(folder / "switch.edge")
    for wrong in (0.0, 0.01):
        package(folder / "switch.edge", wrong=wrong)
        done = subprocess.run(
            [COMMAND, "device", *run], cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, " decision " in done.stdout) == (0, True)
    message = "package 'switch' was refused, the last verified one is in use: self-test of switch"
    assert done.stderr.startswith(f"edgewright: {message}")
    assert done.stderr.count("\n") == 1
    state = subprocess.run(
        [COMMAND, "device", "status", "--store", "store"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert f"{message.replace('refused,', 'refused at the last start,')}" in state.stdout
    (folder / "switch.edge").write_bytes(b"")
    (folder / "store" / "packages" / "switch" / "current.edge").unlink()
    assert refused(folder, *run)[0] == 2


@pytest.mark.slow
def test_bad_packages_stores_and_settings_are_refused_in_one_line(folder: Path) -> None:
    recording(folder / "rows.csv", rows_of(2.0))
    run = ("run", "--config", "device.toml", "--store", "store", "--source", "replay:rows.csv")
    package(folder / "bad.edge", wrong=0.01)
    code, text = refused(folder, "run", "bad.edge", "--store", "store", "--source", "replay:rows.csv")
    assert (code, "self-test of switch" in text) == (1, True)
    assert not (folder / "store" / "packages" / "bad").exists()
    assert refused(folder, "run", "none.edge", "--store", "s", "--source", "replay:rows.csv")[0] == 2
    code, text = refused(folder, "run", "switch.edge", "--store", "s")
    assert (code, "expected a source" in text) == (2, True)
    code, text = refused(folder, "run", "--source", "replay:rows.csv", "--store", "s")
    assert (code, "expected something to do" in text) == (2, True)
    code, text = refused(folder, "run", "switch.edge", "--source", "repaly:rows.csv", "--store", "s")
    assert (code, "Did you mean 'replay'" in text) == (2, True)
    (folder / "device.toml").write_text(DECISION + "[agent]\nsumary = 3\n")
    for command in (("check", "device.toml"), run):
        code, text = refused(folder, *command)
        assert (code, "no key 'sumary'" in text, "device.toml agent" in text) == (2, True, True)
    (folder / "device.toml").write_text(DECISION)
    database = sqlite3.connect(folder / "store" / STORE_FILE)
    database.execute("PRAGMA user_version=99")
    database.close()
    code, text = refused(folder, *run)
    assert (code, "99" in text) == (2, True)


@pytest.mark.slow
def test_a_second_agent_on_the_same_store_is_refused(folder: Path) -> None:
    append(folder / "rows.csv", rows_of(6.0, period=2.0), 0.0)
    process = agent(folder, "csv:rows.csv?begin=start", "--json")
    wait_for(folder, '"alarm"')
    code, text = refused(folder, "run", "switch.edge", "--store", "store", "--source", "csv:rows.csv")
    assert (code, "no other process writes" in text) == (2, True)
    process.terminate()
    assert process.wait(20) == 0


@pytest.mark.slow
def test_systemd_is_told_that_it_is_ready_alive_and_stopping(folder: Path) -> None:
    append(folder / "rows.csv", rows_of(6.0, period=2.0), 0.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plug:
        plug.bind(str(folder / "notify"))
        plug.settimeout(20)
        settings = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "200000"}
        process = agent(folder, "csv:rows.csv?begin=start", "--quiet", env=settings)
        assert [plug.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        process.terminate()
        while (word := plug.recv(100)) != b"STOPPING=1":
            assert word == b"WATCHDOG=1"
        assert process.wait(20) == 0
    assert (folder / "printed").read_text() == ""
