"""The agent's loop over rows: decisions, alarms, and clocks that are set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent_example import RATE, event_lines, given, lines, package, packets, recording, reference, run, signal
from edgewright.core.input.recordings import cut
from edgewright.core.records.device import Event
from edgewright.core.records.package import WindowSpec
from edgewright.device.agent import loop
from edgewright.device.agent.feed import WindowCutter
from edgewright.device.store import reader
from edgewright.device.timeline import Ready, WallClock

ALARMS = {"decision": {"debounce": 2, "threshold": 0.6, "alarms": ["on"], "refractory": 5.0}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package(tmp_path / "switch.edge")
    recording(tmp_path / "rows.csv", signal(40.0))
    return tmp_path


def switched(folder: Path, **more: object) -> list[Event]:
    entry = {"path": "switch.edge", **ALARMS}
    settings = {"packages": [entry], **more}
    return run(folder, f"replay:{folder / 'rows.csv'}", settings=settings)[0]


def test_decisions_and_alarms_follow_the_rows_and_are_in_the_store(folder: Path) -> None:
    events = switched(folder)
    decisions = event_lines(events, "decision")
    # 'on' begins at 4, 12, 20, ... seconds; two windows of .2 s, a step of .1 s, have agreed soon after.
    starts = [time for time, _, label in decisions if label == "on"]
    assert len(starts) == 5
    assert all(0.1 < time - begin < 0.4 for time, begin in zip(starts, (4, 12, 20, 28, 36), strict=True))
    assert event_lines(events, "alarm") == [(time, "alarm", "on") for time in starts]
    assert not [e for e in events if e.kind == "health" and e.label != "start"]
    with reader.look(folder / "store") as database:
        stored = [record.event for record in reader.events(database, limit=1000, newest=False)]
        kept = list(reader.rows(database, ""))
    assert stored == events
    # The window that raised each alarm is kept, and no other row.
    assert sum(len(stretch.times) for stretch in kept) == 5 * 10


def test_the_same_rows_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = lines(switched(folder))
    (folder / "store").rename(folder / "before")
    assert lines(switched(folder)) == first
    assert len(first) == 17


@pytest.mark.parametrize("rows", [1, 7, 333])
def test_how_rows_are_put_into_packets_changes_no_event(folder: Path, rows: int) -> None:
    whole = switched(folder)
    (folder / "store").rename(folder / "before")
    entry = {"path": "switch.edge", **ALARMS}
    events = given(folder, packets(np.round(signal(40.0), 5), rows), settings={"packages": [entry]})[0]
    # Floats of a batch may differ in the last bit from those of a window alone.
    assert event_lines(events) == event_lines(whole)
    scores = [[event.score for event in some if event.kind == "alarm"] for some in (events, whole)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_a_summary_counts_each_stretch(folder: Path) -> None:
    events = switched(folder, agent={"summary": 10.0})
    summaries = [event for event in events if event.kind == "summary"]
    assert [event.label for event in summaries] == ["switch"] * 4
    assert sum(event.detail["windows"] for event in summaries) == 399
    assert sum(sum(event.detail["counts"].values()) for event in summaries) == 399
    assert sum(event.detail["alarms"] for event in summaries) == 5
    low, middle, high = summaries[0].detail["confidence"]
    assert 0.5 <= low <= middle <= high <= 1.0
    assert "latency" not in summaries[0].detail


def test_a_sensor_that_is_not_well_raises_health_and_no_alarm(folder: Path) -> None:
    values = signal(40.0)
    values[600:800, 0] = np.nan  # 12 to 16 s, an 'on' that nobody sees
    values[1000:1100] = values[999]  # 2 s without a change are no stuck sensor yet
    recording(folder / "rows.csv", values)
    events = switched(folder)
    health = [(event.label, event.detail.get("channel")) for event in events if event.kind == "health"][1:]
    assert health == [("missing", "level"), ("well", "level")]
    assert [time for time, _, _ in event_lines(events, "alarm") if 12 < time < 17] == []


def test_values_beyond_the_sensor_are_told_once_and_decide_nothing(folder: Path) -> None:
    values = signal(16.0)
    values[:200, 0] = -1.0 + np.linspace(0, 0.1, 200)
    values[100:110, 0] = 50.0  # the sensor gives at most 10
    recording(folder / "rows.csv", values)
    events = switched(folder)
    health = [(event.label, event.detail.get("channel")) for event in events if event.kind == "health"][1:]
    assert health == [("range", "level"), ("well", "level")]
    assert event_lines(events, "alarm")[0][0] > 4.0
    (summary,) = [event for event in events if event.kind == "summary"]
    assert summary.detail["doubted"] == 3


def test_another_unit_is_told(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge", reference=reference((-2.0, 2.0), (15.0, 25.0)), columns=_plain())
    values = signal(16.0)
    values[:, 0] *= 9.80665
    recording(tmp_path / "rows.csv", values)
    events = run(tmp_path, f"replay:{tmp_path / 'rows.csv'}")[0]
    reasons = [event.detail["reason"] for event in events if event.label == "unit"]
    assert len(reasons) == 1
    assert "level is" in reasons[0]
    assert "g and m/s2" in reasons[0]


def _plain() -> tuple[object, ...]:
    from edgewright.core.records.data import Column

    return (Column(name="level"), Column(name="heat"))


def test_rows_are_kept_as_the_settings_say(folder: Path) -> None:
    for keep, rows in (("none", 0), ("all", 2000)):
        switched(folder, agent={"keep": keep})
        with reader.look(folder / "store") as database:
            assert sum(len(stretch.times) for stretch in reader.rows(database, "")) == rows
        (folder / "store").rename(folder / keep)


def test_decisions_can_be_left_out(folder: Path) -> None:
    events = switched(folder, agent={"decisions": False})
    assert not event_lines(events, "decision")
    assert len(event_lines(events, "alarm")) == 5


@pytest.mark.parametrize(("samples", "step"), [(10, 5), (8, 8), (6, 10), (1, 1)])
def test_the_cutter_cuts_as_the_desk_does_and_knows_which_windows_are_not_well(samples: int, step: int) -> None:
    rng = np.random.default_rng(samples)
    values = rng.normal(size=(300, 2)).astype(np.float32)
    well = rng.random(300) > 0.05
    windows, starts = cut(values, samples, step)
    cutter = WindowCutter(WindowSpec(samples=samples, step=step, rate=RATE), 2)
    decisions = []
    begin = 0
    while begin < 300:
        end = min(300, begin + int(rng.integers(1, 40)))
        ready = Ready(
            values=values[begin:end], time=np.arange(begin, end) / RATE, gap_before=begin == 0, healthy=well[begin:end]
        )
        one = cutter.push(ready)
        if one is not None:
            decisions.append(one)
        begin = end
    assert np.array_equal(np.concatenate([one.samples for one in decisions]), windows)
    assert np.allclose(np.concatenate([one.times for one in decisions]), (starts + samples - 1) / RATE)
    expected = [bool(well[start : start + samples].all()) for start in starts]
    assert np.concatenate([one.healthy for one in decisions]).tolist() == expected
    assert not any(one.gap for one in decisions)


def test_no_window_reaches_over_a_gap(folder: Path) -> None:
    rows = signal(16.0)
    text = recording(folder / "rows.csv", rows).read_text().splitlines()
    (folder / "rows.csv").write_text("\n".join([*text[:150], *text[250:]]) + "\n")
    events = switched(folder)
    assert [(e.label, round(e.detail.get("amount", 0), 1)) for e in events if e.kind == "health"][1:] == [("gap", 2.0)]
    (summary,) = [event for event in events if event.kind == "summary"]
    # 149 and 551 rows apart: windows of 10 every 5 rows in each.
    assert summary.detail["windows"] == 28 + 109
    assert summary.detail["gaps"] == 1


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
