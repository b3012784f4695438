"""Tables beside models: thresholds, rates, state machines and the watchdog, on recordings and while rows come."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_example import Floats, event_lines, given, lines, package, packets, signal
from edgewright.core.errors import ProgramRefusedError, UnknownNameError
from edgewright.core.records.device import Event, Packet
from edgewright.device.store import reader

HEAT = """
name = "heat"
states = ["cool", "hot"]
initial = "cool"
fallback = "stay"
steps = [
  { state = "cool", event = "row", when = "heat > 30", to = "hot", actions = [{ alarm = "too hot" }] },
  { state = "hot", event = "row", when = "heat < 28", to = "cool" },
]
"""
LOOP = """
name = "loop"
states = ["off", "on", "safe"]
initial = "off"
safe = "safe"
patience = 1.0
fallback = "stay"
steps = [
  { state = "off", event = "window", when = "on > 0.9", to = "on", actions = [{ command = "lamp" }] },
  { state = "on", event = "window", when = "on < 0.1", to = "off" },
  { state = "safe", event = "window", to = "off" },
  { state = "*", event = "late", actions = [{ alarm = "not watched" }] },
]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package(tmp_path / "switch.edge")
    (tmp_path / "heat.toml").write_text(HEAT)
    (tmp_path / "loop.toml").write_text(LOOP)
    return tmp_path


def ruled(folder: Path, values: Floats, table: str, rows: int = 64, **more: Any) -> list[Event]:  # noqa: ANN401
    settings = {"rules": [{"path": table}], **more}
    return given(folder, packets(values, rows), settings=settings)[0]


def test_a_threshold_with_a_lower_way_back(folder: Path) -> None:
    values = signal(16.0)
    values[:, 1] = 20 + np.linspace(0, 0.1, 800)
    values[200:300, 1] = 31 + np.linspace(0, 0.1, 100)
    values[300:400, 1] = 29 + np.linspace(0, 0.1, 100)
    events = ruled(folder, values, "heat.toml")
    assert event_lines(events, "state") == [(4.0, "state", "hot"), (8.0, "state", "cool")]
    assert event_lines(events, "alarm") == [(4.0, "alarm", "too hot")]
    state = next(event for event in events if event.kind == "state")
    assert state.detail == {"table": "heat", "from": "cool", "to": "hot", "reason": "row"}


def test_a_value_that_is_missing_trips_nothing(folder: Path) -> None:
    values = signal(16.0)
    values[200:260, 1] = np.nan
    assert not event_lines(ruled(folder, values, "heat.toml"), "state", "alarm")


def test_answers_and_rows_meet_in_the_order_of_their_times(folder: Path) -> None:
    both = HEAT.replace('event = "row", when = "heat > 30"', 'event = "window", when = "heat > 30 and on > 0.9"')
    (folder / "heat.toml").write_text(both)
    values = signal(16.0)
    values[:, 1] = 20 + np.linspace(0, 0.1, 800)
    values[250:260, 1] = 31.0 + np.linspace(0, 0.1, 10)
    runs = []
    for rows in (1, 64, 800):
        runs.append(lines([e for e in ruled(folder, values, "heat.toml", rows) if e.kind in ("state", "alarm")]))
        (folder / "store").rename(folder / f"store{rows}")
    # The only window that ends while it is hot ends at row 254 or 259; 28 degrees are passed at row 260.
    assert runs[0] == runs[1] == runs[2]
    assert '"time":5.08' in runs[0][0]


def test_the_watchdog_of_a_recording_calls_at_the_time_of_the_rows(folder: Path) -> None:
    values = signal(16.0)
    values[250:350, 0] = np.nan  # on since 4 s; nothing sure from 5 to 7 s
    events = ruled(folder, values, "loop.toml", commands={"lamp": {"run": ["/bin/true"]}})
    # The last sure window ends with row 249, at 4.98 s; the first one again with row 359.
    assert event_lines(events, "alarm") == [(5.98, "alarm", "not watched")]
    states = event_lines(events, "state")
    assert (5.98, "state", "safe") in states
    assert (7.18, "state", "off") in states
    # A recording starts no program.
    assert {e.detail.get("command") for e in events if e.label == "lamp"} == {"not run"}


def test_only_commands_of_the_settings_run_and_without_a_shell(folder: Path) -> None:
    out = folder / "lamp is on; touch x"
    code = f"open({str(out)!r}, 'a').write('on')"
    settings = {
        "rules": [{"path": "loop.toml"}],
        "commands": {"lamp": {"run": [sys.executable, "-c", code], "seconds": 20}},
    }

    def slowly() -> Iterator[Packet]:
        yield from packets(signal(6.0), 50)
        until = time.monotonic() + 10
        while not out.exists() and time.monotonic() < until:
            time.sleep(0.02)

    events = given(folder, slowly(), settings=settings, live=True)[0]
    assert [e.detail["command"] for e in events if e.label == "lamp"] == ["started"]
    assert out.read_text() == "on"
    with pytest.raises(UnknownNameError, match=r"no command 'lamp'\. Known: none"):
        given(folder, [], settings={"rules": [{"path": "loop.toml"}]})
    with pytest.raises(ProgramRefusedError, match=r"the whole path of a program, got 'lamp\.sh'"):
        given(folder, [], settings={"commands": {"lamp": {"run": ["lamp.sh"]}}})


def test_the_watchdog_calls_while_nothing_comes(folder: Path) -> None:
    def stops() -> Iterator[Packet]:
        yield from packets(signal(6.0), 50)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            time.sleep(0.05)
            yield Packet(values=np.empty((0, 2), np.float32), time=np.empty(0))

    (folder / "loop.toml").write_text(LOOP.replace("{ command", "{ event"))
    settings = {"rules": [{"path": "loop.toml"}]}
    events = given(folder, stops(), settings=settings, live=True)[0]
    late = [e for e in events if e.label == "not watched"]
    assert len(late) == 1
    assert late[0].time == pytest.approx(5.98 + 1.0)
    with reader.look(folder / "store") as database:
        assert [s.event.label for s in reader.events(database, kind="alarm")] == ["not watched"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("heat > 30", "heatt > 30", "no name for a guard 'heatt'"),
        ('event = "row", when = "heat > 30"', 'event = "rowe", when = "heat > 30"', "no event 'rowe'"),
    ],
)
def test_a_table_that_asks_for_what_is_not_there_is_refused(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "heat.toml").write_text(HEAT.replace(old, new))
    with pytest.raises(UnknownNameError, match=message):
        ruled(folder, signal(1.0), "heat.toml")


def test_a_table_alone_needs_no_package(folder: Path) -> None:
    values = signal(16.0)
    values[:, 1] = 20 + np.linspace(0, 0.1, 800)
    values[200:300, 1] = 31 + np.linspace(0, 0.1, 100)
    settings = {"packages": [], "rules": [{"path": "heat.toml", "columns": ["heat"], "rate": 50.0}]}
    listed = [Packet(values=p.values[:, 1:], time=p.time) for p in packets(values, 64)]
    events = given(folder, listed, settings=settings)[0]
    assert event_lines(events, "state") == [(4.0, "state", "hot"), (6.0, "state", "cool")]


def test_what_a_table_says_is_an_event_and_what_it_forgets_is_unknown(folder: Path) -> None:
    table = HEAT.replace('{ alarm = "too hot" }', '{ say = "It is {heat}." }, { forget = "heat" }')
    (folder / "heat.toml").write_text(table)
    values = signal(16.0)
    values[:, 1] = 20 + np.linspace(0, 0.1, 800)
    values[200:300, 1] = 31 + np.linspace(0, 0.1, 100)
    events = event_lines(ruled(folder, values, "heat.toml"), "state", "alarm")
    assert events == [(4.0, "state", "hot"), (4.0, "state", "It is {heat}."), (6.0, "state", "cool")]
