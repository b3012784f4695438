"""Through the agent: a recording far slower than its package, and the time of day of what is told at the very end."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_example import package, recording, run, signal

BEGIN = 1_760_000_000.0


def test_a_recording_of_a_row_a_second_is_one_wrong_rate_and_counted_gaps(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    values = signal(299 / 50.0)
    lines = [f"{BEGIN + index},{row[0]:.5f},{row[1]:.5f}" for index, row in enumerate(values.tolist())]
    (tmp_path / "rows.csv").write_text("\n".join(["time,level,heat", *lines]) + "\n")
    events, report = run(tmp_path, f"replay:{tmp_path / 'rows.csv'}")
    health = [event for event in events if event.kind == "health"][1:]
    assert [e.detail["reason"] for e in health if e.label == "rate"] == ["rate 1 instead of 50 Hz"]
    gaps = [event for event in health if event.label == "gap"]
    assert len(gaps) < 40
    assert sum(event.detail["amount"] for event in gaps) == pytest.approx(298.0)
    assert report.rows == 299
    assert not [event for event in events if event.kind == "alarm"]


def test_what_is_told_at_the_end_of_a_recording_has_its_time_of_day(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    recording(tmp_path / "rows.csv", signal(40.0), begin=BEGIN)
    for wait in (0.0, 1.0):  # where rows are held back, some are answered at the very end
        settings = {"timeline": {"wait": wait}, "packages": [{"path": "switch.edge", "decision": {"debounce": 2}}]}
        events, _ = run(tmp_path, f"replay:{tmp_path / 'rows.csv'}", settings=settings)
        (tmp_path / "store").rename(tmp_path / f"store{wait}")
        after = [event for event in events if event.label != "start"]
        assert after[-1].kind == "summary"
        assert after[-1].wall == pytest.approx(BEGIN + 40.0, abs=0.05)
        for event in after:
            assert event.wall == pytest.approx(event.time, abs=wait + 0.021)
