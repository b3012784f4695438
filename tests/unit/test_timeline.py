"""From packets to a timeline: each treatment by itself, and that packet boundaries change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.core.errors import DeviceSettingsError
from edgewright.core.records.device import Packet
from edgewright.device.agent.stream_checkpoint import go_on, prepared, state_of
from edgewright.device.timeline import Ready, Timeline, TimelineConfig
from edgewright.monitor.sensor_health import Health, SensorHealth

RATE = 50.0
Times: TypeAlias = Sequence[float] | NDArray[Any] | None
Stream: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64] | None, list[int]]


def moving(rows: int, channels: int = 2) -> NDArray[np.float32]:
    return np.random.default_rng(rows).normal(size=(rows, channels)).astype(np.float32)


def packet(values: NDArray[np.float32], time: Times, sequence: Times = None) -> Packet:
    return Packet(
        values=values,
        time=np.asarray(time, np.float64),
        sequence=None if sequence is None else np.asarray(sequence, np.int64),
    )


def play(
    values: NDArray[np.float32],
    time: Times,
    sequence: Times = None,
    *,
    cuts: Sequence[int] = (),
    **settings: Any,  # noqa: ANN401 - keys of TimelineConfig
) -> tuple[NDArray[np.float32], NDArray[np.float64], list[int], NDArray[np.bool_], list[Health]]:
    """All rows, their times, the places of gaps, their health, and what is told."""
    line = Timeline(RATE, ["a", "b", "c"][: values.shape[1]], TimelineConfig(**settings))
    whole = packet(values, time, sequence)
    ready: list[Ready] = []
    health_events: list[Health] = []
    edges = [0, *cuts, len(values)]
    for a, b in pairwise(edges):
        part = packet(whole.values[a:b], whole.time[a:b], None if sequence is None else np.asarray(sequence)[a:b])
        one, two = line.push(part)
        ready += one
        health_events += two
    one, two = line.flush()
    ready, health_events = ready + one, health_events + two
    gaps, index = [], 0
    for piece in ready:
        if piece.gap_before:
            gaps.append(index)
        index += len(piece.values)
    return (
        np.concatenate([p.values for p in ready]),
        np.concatenate([p.time for p in ready]),
        gaps,
        np.concatenate([p.healthy for p in ready]),
        health_events,
    )


def texts(health_events: list[Health]) -> list[str]:
    return [health.text for health in health_events]


def test_rows_that_come_as_they_should_pass_unchanged() -> None:
    values, time = moving(500), np.arange(500) / RATE
    got, moments, gaps, healthy, health_events = play(values, time)
    assert np.array_equal(got, values)
    assert np.array_equal(moments, time)
    assert (gaps, health_events) == ([0], [])
    assert healthy.all()


def test_jitter_and_a_clock_two_percent_off_change_no_row() -> None:
    rng = np.random.default_rng(1)
    values = moving(2000)
    time = np.arange(2000) / (RATE * 1.02) + rng.uniform(-0.006, 0.006, 2000)
    got, _, gaps, _, health_events = play(values, time)
    assert np.array_equal(got, values)
    assert (gaps, health_events) == ([0], [])


def test_a_few_lost_rows_are_a_straight_line_and_many_are_a_gap() -> None:
    values = np.arange(100, dtype=np.float32)[:, None]
    time = np.arange(100) / RATE
    kept = np.r_[0:20, 23:60, 80:100]
    got, moments, gaps, _, health_events = play(values[kept], time[kept])
    assert got[:60, 0].tolist() == pytest.approx(list(range(60)))
    assert moments[:60].tolist() == pytest.approx(time[:60].tolist())
    assert gaps == [0, 60]
    assert got[60, 0] == 80
    assert texts(health_events) == ["filled: 3 rows", "gap of 0.42 s"]


def test_the_senders_count_says_what_is_lost_whatever_the_clock_says() -> None:
    values = np.arange(100, dtype=np.float32)[:, None]
    kept = np.r_[0:20, 22:60, 80:100]
    arrival = np.cumsum(np.full(len(kept), 1 / RATE))  # stamped at arrival: nothing seems to be missing
    got, _, gaps, _, health_events = play(values[kept], arrival, kept)
    assert got[:60, 0].tolist() == pytest.approx(list(range(60)))
    assert gaps == [0, 60]
    assert [health.kind for health in health_events] == ["filled", "gap"]


@pytest.mark.parametrize("sequence", [None, True])
def test_duplicates_are_left_out(sequence: bool | None) -> None:
    values, time = moving(50), np.arange(50) / RATE
    twice = np.repeat(np.arange(50), 2)
    got, _, gaps, _, health_events = play(values[twice], time[twice], twice if sequence else None)
    assert np.array_equal(got, values)
    assert gaps == [0]
    assert texts(health_events) == ["duplicate: 1 row", "duplicate: 49 rows"]


def test_late_rows_find_their_place_where_there_is_time_to_wait_and_are_left_out_else() -> None:
    values, time = moving(100), np.arange(100) / RATE
    order = np.arange(100)
    order[[10, 12]], order[[50, 53]] = order[[12, 10]], order[[53, 50]]
    got, moments, gaps, _, health_events = play(values[order], time[order], wait=0.2)
    assert np.array_equal(got, values)
    assert np.array_equal(moments, time)
    assert (gaps, health_events) == ([0], [])
    got, moments, _, _, health_events = play(values[order], time[order])
    assert (np.diff(moments) > 0).all()
    assert {"late", "filled"} <= {health.kind for health in health_events}


def test_a_clock_that_jumps_by_four_hundred_days_costs_no_row_where_rows_are_counted() -> None:
    values = moving(300)
    for days in (400, -400):
        time = np.arange(300) / RATE
        time[150:] += days * 86400.0
        got, moments, gaps, _, health_events = play(values, time, np.arange(300))
        assert np.array_equal(got, values)
        assert gaps == [0]
        assert np.diff(moments) == pytest.approx(np.full(299, 1 / RATE))
        assert [health.kind for health in health_events] == ["clock"]
        assert health_events[0].amount == pytest.approx(days * 86400.0)


def test_a_clock_that_jumps_is_a_gap_where_rows_are_not_counted_and_time_never_falls_back() -> None:
    values = moving(300)
    for days in (400, -400):
        time = np.arange(300) / RATE
        time[150:] += days * 86400.0
        got, moments, gaps, _, health_events = play(values, time)
        assert np.array_equal(got, values)
        assert gaps == [0, 150]
        assert (np.diff(moments) > 0).all()
        assert [health.kind for health in health_events] == ["clock"]


def test_one_row_with_a_wild_time_is_left_out_and_nothing_else_happens() -> None:
    values, time = moving(100), np.arange(100) / RATE
    time[40] += 1e6
    got, _, gaps, _, health_events = play(values, time)
    assert len(got) == 100
    assert np.array_equal(np.delete(got, 40, 0), np.delete(values, 40, 0))
    assert gaps == [0]
    assert sorted(health.kind for health in health_events) == ["filled", "stray"]


def test_a_board_that_starts_anew_is_a_gap_and_goes_on() -> None:
    values, time = moving(800), np.arange(800) / RATE
    time[400:] -= time[400]
    count = np.r_[0:400, 0:400]
    got, moments, gaps, _, health_events = play(values, time, count)
    assert np.array_equal(got, values)
    assert gaps == [0, 400]
    assert (np.diff(moments) > 0).all()
    assert health_events[0].text.startswith("the sender restarted")


def test_a_stuck_channel_is_told_of_and_its_rows_are_doubted() -> None:
    values, time = moving(4000), np.arange(4000) / RATE
    values[500:2500, 0] = values[499, 0]
    values[3000:3100, 1] = values[2999, 1]  # two seconds: no sensor is stuck yet
    _, _, _, healthy, health_events = play(values, time)
    # Rows in which the other channel hardly moves do not count.
    assert texts(health_events) == ["stuck: a 34.4 s", "well: a after 40 s stuck"]
    assert np.flatnonzero(~healthy).tolist() == list(range(499 + round(34.4 * RATE) - 1, 2500))
    assert play(values, time, rests=("a",))[4] == []


def resting(rows: int, rest: slice) -> NDArray[np.float32]:
    """Return three channels of a device that moves, and rests for a while."""
    values = moving(rows, 3)
    values[rest] *= np.float32(0.02)
    return values


def test_a_channel_of_coarser_steps_is_not_stuck_while_its_device_rests() -> None:
    values, time = resting(12_000, slice(4000, 9000)), np.arange(12_000) / RATE
    values[:, 0] = np.rint(values[:, 0])
    assert (values[4000:9000, 0] == 0).all()
    assert play(values, time)[4] == []
    values[4000:, 0] = 0.0  # as long as the device rests it might only be coarse
    (health,) = play(values, time)[4]
    assert (health.kind, health.channel) == ("stuck", "a")
    assert 9000 / RATE + 30 <= health.time <= 9000 / RATE + 40
    for cuts in (list(range(1, 12_000)), [1, 7, 1499, 1501, 4000, 8000, 8001]):
        assert play(values, time, cuts=cuts)[4] == [health]


def test_a_source_that_repeats_its_last_row_is_stuck_and_a_wild_value_hides_no_stuck_channel() -> None:
    values, time = resting(30_000, slice(0, 0)), np.arange(30_000) / RATE
    frozen = values.copy()
    frozen[1000:3000] = frozen[999]
    assert [health.text for health in play(frozen, time)[4][:3]] == [f"stuck: {name} 30 s" for name in "abc"]
    for row in (100, 10_000):  # before anything is usual, and afterwards
        wild = values[:, :2].copy()
        wild[row, 1], wild[20_000:, 0] = 1e30, 0.0
        assert texts(play(wild[:, :2], time)[4])[0].startswith("stuck: a ")


def test_a_channel_without_values_is_told_of_and_infinite_counts_as_none() -> None:
    values, time = moving(600), np.arange(600) / RATE
    values[100:300, 1] = np.nan
    values[300:350, 1] = np.inf
    got, _, _, healthy, health_events = play(values, time)
    assert texts(health_events) == ["missing: b 2 s", "well: b after 5 s missing"]
    assert np.flatnonzero(~healthy).tolist() == list(range(199, 350))
    assert not np.isinf(got).any()
    values[:] = np.nan_to_num(values, posinf=0.0)
    values[100:200, 1] = np.nan
    assert texts(play(values, time)[4]) == ["missing: b 2 s", "well: b after 2 s missing"], "as long as the limit"


@pytest.mark.parametrize("rate", [25.0, 41.3, 60.0, 100.0])
def test_another_rate_is_told_and_rows_keep_to_the_nominal_one(rate: float) -> None:
    values = moving(2000)
    got, moments, gaps, healthy, health_events = play(values, np.arange(2000) / rate)
    rate_event = next(health for health in health_events if health.kind == "rate")
    assert rate_event.text == f"rate {rate:.3g} instead of 50 Hz"
    assert len(got) / (moments[-1] - moments[0]) == pytest.approx(RATE, rel=0.08)
    assert gaps == [0]
    assert not healthy[-500:].any()


def test_rows_that_are_lost_one_by_one_at_the_right_rate_are_lost_and_a_slower_clock_is_another_rate() -> None:
    kept = np.flatnonzero(np.arange(1000) % 5)  # four rows in five
    _, _, gaps, healthy, health_events = play(moving(len(kept)), kept / RATE)
    (lost,) = [health for health in health_events if health.kind != "filled"]
    assert (lost.kind, lost.text) == ("lost", "20% of the rows are lost")
    assert lost.amount == pytest.approx(40, abs=0.5)
    assert gaps == [0]
    assert not healthy[-500:].any()
    # The same number of rows a second from a clock that is slow.
    (rate,) = [health for health in play(moving(800), np.arange(800) / 40.0)[4] if health.kind != "filled"]
    assert rate.text == "rate 40 instead of 50 Hz"
    # What is lost comes to an end.
    back = np.r_[kept, 1000 + np.arange(500)] / RATE
    kinds = [health.kind for health in play(moving(len(back)), back)[4] if health.kind != "filled"]
    assert kinds == ["lost", "well"]
    for cuts in (list(range(1, 800)), [3, 99, 500]):
        assert play(moving(len(kept)), kept / RATE, cuts=cuts)[4] == health_events


def test_half_of_the_rows_at_regular_places_is_another_rate() -> None:
    """Where every second row is lost, none follows another at the right rate."""
    (rate,) = [health for health in play(moving(500), np.arange(500) * 2 / RATE)[4] if health.kind != "filled"]
    assert rate.text == "rate 25 instead of 50 Hz"


def test_a_rate_that_is_right_again_is_told() -> None:
    time = np.r_[np.arange(400) / 40.0, 10.0 + np.arange(800) / RATE]
    _, _, _, healthy, health_events = play(moving(1200), time)
    assert [health.kind for health in health_events if health.kind in ("rate", "well")] == ["rate", "well"]
    assert healthy[-1]


def test_times_that_are_missing_count_as_the_next_row() -> None:
    values, time = moving(100), np.arange(100) / RATE
    time[[0, 30, 31]] = np.nan
    got, moments, gaps, _, _ = play(values[30:], time[30:])
    assert len(got) == 70
    got, moments, gaps, _, health_events = play(values[1:], time[1:])
    assert np.array_equal(got, values[1:])
    assert np.isfinite(moments).all()
    assert (gaps, health_events) == ([0], [])


def test_memory_stays_bounded_where_time_stands_still() -> None:
    line = Timeline(RATE, ["a"], TimelineConfig(wait=1.0))
    for _ in range(20):
        line.push(packet(np.ones((1000, 1), np.float32), np.zeros(1000)))
    assert len(line._held) <= 1000 + 4 * RATE + 1


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(DeviceSettingsError):
        Timeline(RATE, ["a"]).push(packet(moving(3), [0, 1, 2]))
    with pytest.raises(DeviceSettingsError):
        Timeline(float("nan"), ["a"])


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Return rows with everything that may happen to them, and where packets are cut."""
    rows = draw(st.integers(2, 400))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time = np.arange(rows) / draw(st.sampled_from([50.0, 49.0, 41.3, 100.0]))
    time += rng.uniform(-0.4, 0.4, rows) / RATE * draw(st.sampled_from([0.0, 1.0, 4.0]))
    count = np.arange(rows)
    values = rng.normal(size=(rows, 2)).astype(np.float32)
    for _ in range(draw(st.integers(0, 6))):
        fault, at = (
            draw(st.sampled_from(["jump", "swap", "twice", "lose", "still", "nan", "reset", "wild"])),
            int(rng.integers(rows)),
        )
        if fault == "jump":
            time[at:] += rng.choice([-1e6, -70, -3, 0.3, 3, 70, 1e6])
        elif fault == "swap":
            other = int(rng.integers(rows))
            time[[at, other]], count[[at, other]] = time[[other, at]], count[[other, at]]
        elif fault == "twice" and at:
            time[at], count[at] = time[at - 1], count[at - 1]
        elif fault == "lose":
            lost = int(rng.integers(1, 40))
            time[at:] += lost / RATE
            count[at:] += lost
        elif fault == "still":
            values[at : at + 250, 0] = 1.0
        elif fault == "nan":
            values[at : at + 150, 1] = np.nan
        elif fault == "reset":
            time[at:] -= time[at]
            count[at:] -= count[at]
        else:
            time[at] += rng.choice([np.nan, 1e9, -1e9])
    cuts = sorted(set(draw(st.lists(st.integers(0, rows), max_size=40))))
    return values, time, count if draw(st.booleans()) else None, cuts


@pytest.mark.slow
@settings(max_examples=60)
@given(streams(), st.sampled_from([0.0, 0.2]))
def test_packet_boundaries_change_nothing(stream: Stream, wait: float) -> None:
    values, time, count, cuts = stream
    whole = play(values, time, count, wait=wait, report=1.0)
    for parts in (cuts, list(range(1, len(values)))):
        other = play(values, time, count, wait=wait, cuts=parts, report=1.0)
        assert np.array_equal(whole[0], other[0], equal_nan=True)
        assert np.array_equal(whole[1], other[1])
        assert whole[2] == other[2]
        assert np.array_equal(whole[3], other[3])
        assert whole[4] == other[4]


@pytest.mark.slow
@settings(max_examples=60)
@given(streams())
def test_time_rises_and_a_stretch_keeps_about_to_the_rate(stream: Stream) -> None:
    values, time, count, _ = stream
    got, moments, gaps, _, _ = play(values, time, count)
    assert len(got) == len(moments)
    assert (np.diff(moments) > 0).all()
    assert gaps[0] == 0


@pytest.mark.parametrize(("rate", "wait"), [(1.0, 0.0), (5.0, 0.0), (0.1, 0.0), (1.0, 0.2)])
def test_a_source_that_is_far_too_slow_is_one_wrong_rate_and_its_gaps_are_counted(rate: float, wait: float) -> None:
    time = np.arange(299) / rate
    _, _, gaps, healthy, health_events = play(moving(299), time, wait=wait)
    assert [health.text for health in health_events if health.kind == "rate"] == [f"rate {rate:.3g} instead of 50 Hz"]
    assert len(gaps) == 299
    counted = [health for health in health_events if health.kind == "gap"]
    # One at once, and then one in ten seconds; all of the time without rows is in them.
    assert len(counted) <= 2 + min(298, time[-1] / 10.0)
    assert sum(health.amount for health in counted) == pytest.approx(time[-1])
    assert len(health_events) == len(counted) + 1
    assert not healthy[20:].any()
    for cuts in (list(range(1, 299)), [5, 11, 12, 13, 140]):
        assert play(moving(299), time, wait=wait, cuts=cuts)[4] == health_events


def test_a_source_with_pauses_or_counted_losses_has_its_own_rate_and_a_slow_one_that_recovers_is_well() -> None:
    pauses = np.arange(600) / RATE + np.repeat(np.arange(60), 10) * 0.8
    assert {health.kind for health in play(moving(600), pauses)[4]} == {"gap"}
    lost = np.arange(300) * 50
    assert {health.kind for health in play(moving(300), lost / RATE, lost)[4]} == {"gap"}
    better = np.r_[np.arange(30), 30 + np.arange(400) / RATE]
    _, _, _, healthy, health_events = play(moving(430), better)
    assert [health.kind for health in health_events if health.kind in ("rate", "well")] == ["rate", "well"]
    assert healthy[-1]


def test_a_clock_that_is_set_again_and_again_is_told_now_and_then() -> None:
    time = np.arange(1000) * 3.0
    got, _, gaps, _, health_events = play(moving(1000), time, np.arange(1000))
    assert (len(got), gaps) == (1000, [0])
    assert {health.kind for health in health_events} == {"clock"}
    assert len(health_events) <= 4
    assert health_events[1].text.startswith("clock jumped ")
    assert " times, by +" in health_events[1].text


def test_counted_rows_that_are_lost_in_a_gap_are_no_wrong_rate() -> None:
    kept = np.r_[0:200, 225:425, 500:700]
    _, _, gaps, healthy, health_events = play(moving(len(kept)), kept / RATE, kept)
    assert gaps == [0, 200, 400]
    assert {health.kind for health in health_events} == {"gap"}
    assert healthy.all()


def test_a_stuck_channel_stays_stuck_where_the_state_of_an_older_version_goes_on() -> None:
    def sensor() -> SensorHealth:
        return SensorHealth(("a", "b"), 10.0, stuck=30.0, missing=0.0)

    moves = np.random.default_rng(0).normal(size=2000)
    rows = np.stack([np.zeros(2000), moves], axis=1).astype(np.float32)
    times = list(np.arange(2000.0) / 10)
    before, notices = sensor(), list[Health]()
    before.check(rows[:1000], times[:1000], notices)
    assert [notice.kind for notice in notices] == ["stuck"]
    state = {name: value for name, value in state_of(before).items() if name not in SensorHealth.ADDED}
    after = sensor()
    go_on(prepared(after, state))
    rows[1500:, 0] = moves[1500:]
    well = after.check(rows[1000:], times[1000:], notices)
    assert not well[:500].any() and well[501:].all()
    assert [notice.kind for notice in notices] == ["stuck", "well"]
