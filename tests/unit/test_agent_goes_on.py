"""The agent stops and starts: smoothing, refractory times and tables go on, and a hole raises no false alarm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_example import Floats, Given, event_lines, given, lines, package, signal, stretch
from edgewright.core.package import write_package
from edgewright.core.records.device import Event, Packet
from edgewright.device.agent.loop import Agent
from edgewright.device.agent.settings import check_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.store import reader, stream_state
from runtime_example import numbers, parts

DECISION = {"smoothing": 4, "debounce": 2, "alarms": ["on"], "refractory": 20.0}
TABLE = """
name = "press"
states = ["idle", "busy", "done"]
initial = "idle"
fallback = "stay"
safe = "idle"
patience = 5.0

[[steps]]
state = "idle"
event = "decision"
when = 'decided == "on"'
to = "busy"

[[steps]]
state = "busy"
event = "timeout"
after = 3.3
to = "done"
actions = [{ alarm = "busy for long" }]

[[steps]]
state = "done"
event = "row"
when = "rate(heat, 0.5) > 5 and level < 0"
to = "idle"

[[steps]]
state = "*"
event = "late"
actions = [{ alarm = "no sure answer" }]
"""
SETTINGS: dict[str, Any] = {
    "packages": [{"path": "switch.edge", "decision": DECISION}],
    "rules": [{"path": "press.toml", "package": "switch"}],
}


@pytest.fixture
def values() -> Floats:
    values = signal(80.0, period=10.0, seed=3)
    # Beyond the sensor's range, then unsure: the press is busy, done, and at last the watchdog is late.
    values[2300:2455, 0] = 99.0 + np.arange(155) % 7
    values[2455:2750, 0] = np.abs(values[2455:2750, 0]) * 0.01
    values[3100:3260, 1] = np.nan  # missing for longer than two seconds
    return values


def prepared(folder: Path, table: str = TABLE) -> Path:
    folder.mkdir(exist_ok=True)
    package(folder / "switch.edge")
    (folder / "press.toml").write_text(table)
    return folder


def of_the_stream(folder: Path) -> list[str]:
    """Return what is stored about the stream, without status rows, summaries and the time of day."""
    with reader.look(folder / "store") as database:
        events = [stored.event for stored in reader.events(database, limit=100_000, newest=False)]
    kept = [e for e in events if e.kind != "summary" and e.label != "start"]
    return lines([Event(kind=e.kind, time=e.time, label=e.label, score=e.score, detail=e.detail) for e in kept])


def states(folder: Path) -> dict[str, bytes]:
    with reader.look(folder / "store") as database:
        return stream_state.load(database)


def part(folder: Path, values: Floats, begin: int, end: int, rows: int = 50, **settings: Any) -> list[Event]:  # noqa: ANN401
    return given(folder, stretch(values, begin, end, rows), settings={**SETTINGS, **settings}, live=True)[0]


# Within the first window, between windows, while the mean fills, between two of a debounce, within a refractory time,
# a time-out, a range, the watchdog's patience; and several of them after each other.
CUTS = [[7], [13], [263], [281], [402], [512], [2301], [2419], [2581], [2643], [3263]]


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [*CUTS, [7, 270, 403, 2511], list(range(151, 4000, 389))])
def test_a_stop_between_any_two_rows_changes_no_event(tmp_path: Path, values: Floats, cuts: list[int]) -> None:
    part(prepared(tmp_path / "whole"), values, 0, len(values))
    parts: list[Event] = []
    folder = prepared(tmp_path / "parts")
    for begin, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        parts += part(folder, values, begin, end, rows=33)
    labels = {(kind, label) for _, kind, label in event_lines(parts)}
    assert labels >= {("decision", "on"), ("alarm", "on"), ("alarm", "busy for long"), ("state", "idle"),
                      ("health", "range"), ("alarm", "no sure answer")}  # fmt: skip
    assert of_the_stream(folder) == of_the_stream(tmp_path / "whole")


def test_rows_at_no_rate_go_on_too(tmp_path: Path) -> None:
    values = numbers(300, 10, seed=6) * np.float32(6)
    times = np.cumsum(np.random.default_rng(1).uniform(0.5, 1.5, size=300))
    manifest, files = parts()
    runs = []
    for cuts in ([], [111, 190, 191]):
        folder = tmp_path / str(len(cuts))
        folder.mkdir()
        write_package(folder / "rows.edge", manifest, files)
        # The fastest engine may be another one each time, and floats differ between engines; NumPy's by rows at once.
        entry = {"path": "rows.edge", "engine": "onnxruntime", "decision": {"smoothing": 5, "debounce": 2}}
        for begin, end in zip([0, *cuts], [*cuts, 300], strict=True):
            run_agent(
                check_settings({"packages": [entry]}, folder, "device.toml"),
                Given([Packet(values=values[begin:end], time=times[begin:end])], live=True, rate=None),  # type: ignore[arg-type]
                folder / "store", stop=lambda: False, say=print, publish=lambda _: None, begin=lambda _: None,
            )  # fmt: skip
        runs.append(of_the_stream(folder))
    assert len(runs[0]) > 10
    assert runs[0] == runs[1]


def test_a_time_out_behind_a_hole_waits_for_all_of_its_time(tmp_path: Path) -> None:
    values = np.concatenate([signal(6.0, period=8.0), signal(20.0, period=1e9)])
    values[300:, 0] = np.abs(values[300:, 0])
    folder = prepared(tmp_path / "a")
    first = part(folder, values, 0, 300)
    (busy,) = [event.time for event in first if event.label == "busy"]
    # An hour later: nobody saw whether the press was busy meanwhile.
    later = stretch(values, 300, len(values))
    for packet in later:
        packet.time[:] += 3600.0
    events = given(folder, later, settings=SETTINGS, live=True)[0]
    (alarm,) = [event for event in events if event.label == "busy for long"]
    assert busy < 6.0
    assert alarm.time - 3606.0 == pytest.approx(3.3, abs=0.03)
    # 'on' held before and holds: no decision, no alarm, and the watchdog waited anew.
    assert [e for e in events if e.kind == "alarm"] == [alarm]
    assert not [e for e in events if e.kind == "decision"]


@pytest.mark.parametrize("change", ["package", "table", "times", "decision"])
def test_what_is_another_one_begins_anew(tmp_path: Path, change: str) -> None:
    values = signal(6.0, period=8.0)
    folder = prepared(tmp_path / "a")
    part(folder, values, 0, 260)
    settings: dict[str, Any] = {}
    if change == "package":
        package(folder / "switch.edge", thresholds={"confidence": 0.55})
    if change == "table":
        (folder / "press.toml").write_text(TABLE.replace("3.3", "3.4"))
    if change == "decision":
        settings = {"packages": [{"path": "switch.edge", "decision": {**DECISION, "debounce": 3}}]}
    listed = stretch(values, 260, 300) if change != "times" else stretch(values, 220, 260)
    events = given(folder, listed, settings={**SETTINGS, **settings}, live=True)[0]
    # What was decided before is decided again by a package that knows nothing of it.
    assert bool([e for e in events if e.kind == "decision"]) == (change != "table")
    same = prepared(tmp_path / "b")
    part(same, values, 0, 260)
    assert not [e for e in part(same, values, 260, 300) if e.kind == "decision"]


@pytest.mark.parametrize("other", [False, True])
def test_a_kill_brings_back_no_state_of_long_ago(
    tmp_path: Path, values: Floats, monkeypatch: pytest.MonkeyPatch, other: bool
) -> None:
    folder = prepared(tmp_path / "a")
    part(folder, values, 0, 240)
    saved = states(folder)
    # Nothing is saved at the end, as in a kill: on was decided and told, and the press became busy.
    monkeypatch.setattr(Agent, "_end", lambda _: None)
    killed = part(folder, values, 240, 400)
    assert {("alarm", "on"), ("state", "busy")} <= {(e.kind, e.label) for e in killed}
    assert states(folder) != saved
    monkeypatch.undo()
    if other:  # another stream alone is heard meanwhile
        given(folder, [Packet(stream="b", values=values[:50], time=np.arange(50) / 50.0)], settings=SETTINGS, live=True)
        assert {key.rpartition("\n")[2] for key in states(folder)} == {"", "b"}
    after = part(folder, values, 410, 740)
    # It is still on, and nobody is told again; off comes when it would have; the time-out waits for all of its time.
    decisions = [one for one in event_lines(after, "decision", "alarm", "state") if one[0] < 11.6]
    assert sorted(decisions) == [(10.38, "decision", "off"), (11.5, "alarm", "busy for long"), (11.5, "state", "done")]


def test_a_kill_soon_after_the_first_alarm_does_not_raise_it_again(
    tmp_path: Path, values: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(tmp_path / "a")
    monkeypatch.setattr(Agent, "_end", lambda _: None)  # nothing is let go, summed up or saved, as in a kill
    first = part(folder, values, 0, 300, rows=10)
    assert ("alarm", "on") in {(e.kind, e.label) for e in first}
    monkeypatch.undo()
    again = part(folder, values, 310, 400)
    assert not [e for e in again if e.kind in ("alarm", "decision")]
