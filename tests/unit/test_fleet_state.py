"""The durable state of a device and its trial."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.faults.fleet_device import Even, content, release
from scipy import stats

from edgewright.core.errors import FormatNewerError, InputError, OutputError
from edgewright.core.records.fleet import Acknowledged, Enrolled, TrialLimits, Vitals
from edgewright.device.store.database import connect
from edgewright.device.store.guarded_database import copy_of
from edgewright.fleet.device.model_supervisor import CHANCE, added, count_unlikely, judge, share_unlikely
from edgewright.fleet.device.ports import FolderSlots, Pace
from edgewright.fleet.device.state_database import FILE, OUTCOMES, PLANS, Counts, Followed, State, Trial


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
    with pytest.raises(FormatNewerError, match="format 2"):
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


def trial(limits: TrialLimits, **changes: object) -> Trial:
    return Trial(plan="p", stage=0, counter=2, previous="a", before=1, plan_before="", limits=limits, **changes)  # type: ignore[arg-type]


def test_one_alarm_in_a_minute_is_not_a_day_full_of_them() -> None:
    limits = TrialLimits(seconds=600.0, alarms=5.0)
    assert judge(trial(limits), Counts(seconds=60.0, alarms=1), Vitals()).over == ""
    assert judge(trial(limits), Counts(seconds=60.0, alarms=3), Vitals()).because == "alarms"
    # At the limit itself a whole day goes well.
    assert judge(trial(TrialLimits(seconds=1e6, alarms=5.0)), Counts(seconds=86_400.0, alarms=6), None).over == ""


@pytest.mark.parametrize("mean", [0.01, 0.3, 2.0, 40.0])
def test_the_bound_is_never_below_the_chance_itself(mean: float) -> None:
    for count in range(200):
        assert count_unlikely(count, mean) >= stats.poisson.sf(count - 1, mean) * (1 - 1e-9)
    for of, share in ((10, 0.1), (500, 0.2), (500, 0.999)):
        for count in range(0, of + 1, 7):
            assert share_unlikely(count, of, share) >= stats.binom.sf(count - 1, of, share) * (1 - 1e-9)


def test_a_rate_far_beyond_its_limit_is_seen_soon() -> None:
    for times in (10, 100):
        limit = 24.0
        seconds = next(
            s
            for s in range(60, 10**6, 60)
            if count_unlikely(int(times * limit * s / 86_400), limit * s / 86_400) < CHANCE
        )
        assert times * limit * seconds / 86_400 < 12


def test_what_is_allowed_ends_well() -> None:
    limits = TrialLimits(seconds=100.0, latency=0.5, memory=10, unsure=0.2, drift=0.5, alarms=10.0, anomalies=10.0)
    vitals = Vitals(windows=200, latency=(0.1, 0.5), memory=10, drifting=("x",), channels=2)
    verdict = judge(trial(limits), Counts(seconds=100.0, windows=200, unsure=40), vitals)
    assert (verdict.over, verdict.because) == ("confirmed", "")
    assert "100 s" in verdict.why


def test_without_limits_only_crashes_boots_and_patience_count() -> None:
    vitals = Vitals(windows=10**6, latency=(9.0, 9.0), memory=1 << 40, drifting=("x",), channels=1)
    counts = Counts(seconds=1.0, windows=10**6, unsure=10**6, alarms=10**6, anomalies=10**6)
    limits = TrialLimits(seconds=100.0, patience=0.0)
    assert judge(trial(limits, waited=1e9), counts, vitals).over == ""
    assert judge(trial(limits, crashes=3), counts, vitals).because == "crash"
    assert judge(trial(limits, boots=11), counts, vitals).because == "boots"
    assert judge(trial(TrialLimits(seconds=100.0, patience=5.0), waited=5.0), counts, None).because == "patience"


def test_few_answers_are_judged_at_the_end_alone() -> None:
    limits = TrialLimits(seconds=100.0, latency=0.1)
    few = Vitals(windows=20, latency=(0.1, 0.9))
    assert judge(trial(limits), Counts(seconds=50.0, windows=20), few).over == ""
    assert judge(trial(limits), Counts(seconds=100.0, windows=20), few).because == "latency"
    share = TrialLimits(seconds=100.0, unsure=0.2)
    assert judge(trial(share), Counts(seconds=100.0, windows=20, unsure=6), None).over == "confirmed"
    assert judge(trial(share), Counts(seconds=100.0, windows=200, unsure=45), None).because == "unsure"


def test_counts_of_all_starts_are_added() -> None:
    total = added(Counts(seconds=10.0, windows=5, alarms=1), Vitals(seconds=2.0, windows=3, unsure=2, anomalies=4))
    assert total == Counts(seconds=12.0, windows=8, unsure=2, alarms=1, anomalies=4)
