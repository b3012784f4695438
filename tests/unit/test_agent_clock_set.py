"""The system's clock is set by 400 days, forwards and back, while the agent runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_example import event_lines, given, package, packets, signal
from edgewright.device.agent import loop
from edgewright.device.store import reader
from edgewright.device.wall_clock import WallClock
from edgewright.schema.device import Event

DAY, BEGIN = 86400.0, 1.76e9
SETTINGS = {"packages": [{"path": "switch.edge", "decision": {"debounce": 2, "alarms": ["on"]}}]}


def _sort_key(event: Event) -> tuple[str, str, float, float]:
    return event.kind, event.label, event.time, event.wall or 0.0


def test_a_clock_that_is_set_while_the_agent_runs_changes_no_answer_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("still", "set"):
        (tmp_path / name).mkdir()
        package(tmp_path / name / "switch.edge")
    steps, where = [0.0], [0]

    def wall() -> float:
        where[0] += 1
        return BEGIN + steps[min(where[0] // 10, len(steps) - 1)]

    monkeypatch.setattr(loop, "WallClock", lambda: WallClock(wall, lambda: 0.0, lambda: None))
    listed = packets(signal(40.0))  # forty looks at the source
    still, _ = given(tmp_path / "still", listed, settings=SETTINGS, live=True)
    steps[:], where[0] = [0.0, 400 * DAY, -400 * DAY, 0.0], 0
    events, report = given(tmp_path / "set", listed, settings=SETTINGS, live=True)
    jumps = [event.detail["amount"] for event in events if event.label == "clock"]
    assert jumps == [400 * DAY, -800 * DAY, 400 * DAY]
    # An alarm is told once it is on the disk: its place among the others is chance.
    assert sorted(event_lines(events, "decision", "alarm")) == sorted(event_lines(still, "decision", "alarm"))
    assert report.alarms == 5
    # Each event has the time of day that was set then.
    walls = {round((event.wall - BEGIN) / DAY) for event in events if event.kind == "decision" and event.wall}
    assert walls == {0, 400, -400}
    with reader.look(tmp_path / "set" / "store") as database:
        stored = [record.event for record in reader.events(database, limit=1000, newest=False)]
    assert sorted(stored, key=_sort_key) == sorted(events, key=_sort_key)
