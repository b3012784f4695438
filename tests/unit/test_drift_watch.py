"""A stream against its reference: bytes, false alarms at the rate that was set, the right channel, resuming."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from edgewright.core.errors import DriftReferenceError, DriftStateError
from edgewright.core.records.package import ReferenceColumn
from edgewright.monitor.drift.change_detection import SKETCH_BYTES, Sketch
from edgewright.monitor.drift.reference_test import normal_tail, strays
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch

SHARES = (0, 1, 5, 25, 50, 75, 95, 99, 100)
RHYTHM = 400.0


def correlated(rows: int, seed: int, channels: int = 3, keep: float = 0.95) -> NDArray[np.float32]:
    """Return rows that hang together over some twenty rows, as those of a sensor do; deviation 1 about 10, 20, ..."""
    draw = np.random.default_rng(seed)
    noise = draw.normal(0, (1 - keep**2) ** 0.5, (rows, channels))
    filtered = lfilter([1.0], [1.0, -keep], noise, axis=0)
    return np.asarray(filtered + 10 * (1 + np.arange(channels)), np.float32)


def references(values: NDArray[np.float32]) -> tuple[ReferenceColumn, ...]:
    recordings = []
    for index, column in enumerate(values.astype(np.float64).T):
        quantiles = tuple(float(q) for q in np.percentile(column, SHARES))
        recordings.append(
            ReferenceColumn(
                name=f"c{index}", mean=float(column.mean()), deviation=float(column.std()), missing=0.0,
                quantiles=quantiles,
            )
        )  # fmt: skip
    return tuple(recordings)


TRAINED = references(correlated(40_000, 0))


def watch(rhythm: float = RHYTHM, false_alarms: float = 1 / 7) -> DriftWatch:
    return DriftWatch(TRAINED, 1.0, DriftConfig(rhythm=rhythm, false_alarms=false_alarms))


def times(rows: int) -> NDArray[np.float64]:
    return np.arange(rows, dtype=np.float64)


@pytest.mark.slow
def test_false_alarms_stay_within_the_rate_that_was_set() -> None:
    # Four streams of 20,000 s with an alarm in 5,000 s accepted: 16 are allowed.
    counted = 0
    for seed in range(4):
        counted += len(watch(false_alarms=86400 / 5000).push(correlated(20_000, 100 + seed), times(20_000)))
    assert counted <= 16


@pytest.mark.slow
def test_the_rate_holds_where_the_rhythm_is_only_four_times_as_long_as_rows_hang_together() -> None:
    trained = references(correlated(400_000, 0, keep=0.99))
    counted = 0
    for seed in range(4):
        one = DriftWatch(trained, 1.0, DriftConfig(rhythm=RHYTHM, false_alarms=86400 / 5000))
        counted += len(one.push(correlated(20_000, 100 + seed, keep=0.99), times(20_000)))
    assert counted <= 16


@pytest.mark.parametrize("memory", [5.0, 50.0, 400.0])
def test_how_far_a_mean_strays_is_told_from_what_blocks_do_not_show(memory: float) -> None:
    # 8 blocks of 50 rows, drawn 3,000 times; the share within blocks is what the watch sees.
    keep = float(np.exp(-1 / memory))
    noise = np.random.default_rng(1).normal(0, 1, (3000, 400))
    noise[:, 1:] *= (1 - keep**2) ** 0.5
    rows = lfilter([1.0], [1.0, -keep], noise, axis=1)
    within = float(rows.reshape(3000, 8, 50).var(2).mean())
    assert strays(within, 8) == pytest.approx(float(rows.mean(1).std()), rel=0.06)


def test_no_memory_and_nothing_but_memory() -> None:
    assert strays(1.0, 8) == strays(1.5, 8) == 0.0
    assert strays(0.0, 8) == 1.0
    assert normal_tail(1.96, 1.0) == pytest.approx(0.05, abs=1e-4)
    assert normal_tail(0.1, 0.0) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tests"),
    [("offset", {"mean", "shape"}), ("gain", {"outside", "mean"}), ("stuck", {"shape", "deviation"}),
     ("missing", {"missing"}), ("noise", {"deviation", "shape"})],
)  # fmt: skip
def test_the_channel_and_the_time_are_named(name: str, tests: set[str]) -> None:
    rows, start = 12_000, 6_000
    values = correlated(rows, 7)
    draw = np.random.default_rng(8)
    if name == "offset":
        values[start:, 1] += 1.5
    elif name == "gain":
        values[start:, 1] *= 1.4
    elif name == "stuck":
        values[start:, 1] = values[start, 1]
    elif name == "missing":
        values[start:, 1] = np.where(draw.random(rows - start) < 0.5, np.nan, values[start:, 1])
    else:
        values[start:, 1] += draw.normal(0, 2, rows - start).astype(np.float32)
    events = watch().push(values, times(rows))
    assert {event.label for event in events} == {"c1"}
    first = events[0]
    assert first.kind == "drift"
    assert first.detail["test"] in tests
    assert first.score >= 1
    assert start < first.time <= start + 3 * RHYTHM
    assert abs(first.detail["since"] - start) <= RHYTHM / 2


@pytest.mark.slow
def test_a_state_is_under_a_thousand_bytes_a_channel_and_goes_on_exactly() -> None:
    values = correlated(9_000, 11)
    values[5_000:, 2] += 1.5
    whole = watch()
    expected = whole.push(values, times(9_000))
    assert expected
    events = []
    going = watch()
    for start in range(0, 9_000, 613):
        data = going.state()
        going = watch()
        going.restore(data)
        part = values[start : start + 613]
        for confidence in part[:5, 0]:
            going.answered(float(confidence % 1))
        events += [e for e in going.push(part, times(9_000)[start : start + 613]) if e.label != "confidence"]
    assert events == expected
    assert going.summary() == whole.summary()
    single = DriftWatch(TRAINED[:1], 1.0, DriftConfig(rhythm=RHYTHM))
    largest = 0
    for start in range(0, 9_000, 90):
        single.push(values[start : start + 90, :1], times(9_000)[start : start + 90])
        largest = max(largest, len(single.channels[0].to_bytes()))
    assert largest <= 859
    assert len(going.state()) / 3 < 1000 + 400 / 3


@pytest.mark.slow
def test_the_beginning_is_remembered_long_after_it_left_the_ring_and_ends_with_the_drift() -> None:
    values = correlated(24_000, 21)
    values[4_000:14_000, 0] += 1.5
    going = watch()
    events = going.push(values[:13_900], times(13_900))
    assert [event.label for event in events] == ["c0"]
    assert going.channels[0].drifted
    assert abs(going.channels[0].since - 4_000) <= RHYTHM / 2
    again = watch()
    again.restore(going.state())
    assert again.channels[0].since == going.channels[0].since
    assert again.channels[0].finding == going.channels[0].finding
    going.push(values[13_900:], times(24_000)[13_900:])
    assert np.isnan(going.channels[0].since)


def test_a_damaged_state_is_refused() -> None:
    going = watch()
    going.push(correlated(3_000, 22), times(3_000))
    state = going.state()
    draw = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        bad = bytearray(state)
        for location in draw.integers(0, len(bad), 3):
            bad[location] = int(draw.integers(256))
        cut = bytes(bad[: int(draw.integers(1, len(bad) + 1))]) if draw.random() < 0.3 else bytes(bad)
        if cut != state:
            with pytest.raises(DriftStateError):
                watch().restore(cut)
            refused += 1
    assert refused > 250
    with pytest.raises(DriftStateError, match="counts that cannot be"):
        Sketch.from_bytes(b"\xff" * SKETCH_BYTES)


@pytest.mark.slow
def test_summaries_of_devices_add_up() -> None:
    values = correlated(4_000, 12)
    parts = [watch(), watch()]
    parts[0].push(values[:2_000], times(2_000))
    parts[1].push(values[2_000:], times(2_000))
    both = [Sketch() for _ in parts[0].channels]
    for part in parts:
        for index, sketch in enumerate(both):
            sketch.add(Sketch.from_bytes(part.summary()[index * SKETCH_BYTES : (index + 1) * SKETCH_BYTES]))
    whole = watch()
    whole.push(values, times(4_000))
    for sketch, channel in zip(both, whole.channels, strict=True):
        assert sketch.rows == channel.total.rows == 4_000
        assert (sketch.bins == channel.total.bins).all()
        assert sketch.mean == pytest.approx(channel.total.mean, rel=1e-12)
        assert sketch.deviation == pytest.approx(channel.total.deviation, rel=1e-12)


@pytest.mark.slow
def test_confidence_that_falls_is_told() -> None:
    draw = np.random.default_rng(3)
    going = watch()
    values = correlated(8_000, 13)
    events = []
    for second in range(8_000):
        level = 0.9 if second < 4_000 else 0.6
        going.answered(float(np.clip(draw.normal(level, 0.05), 0, 1)))
        events += going.push(values[second : second + 1], times(8_000)[second : second + 1])
    assert [event.label for event in events] == ["confidence"]
    assert events[0].detail["from"] == pytest.approx(0.9, abs=0.03)
    assert events[0].detail["to"] == pytest.approx(0.6, abs=0.06)
    assert abs(events[0].detail["since"] - 4_000) <= RHYTHM / 4


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DriftReferenceError):
        DriftWatch((), 1.0)
    with pytest.raises(DriftReferenceError):
        watch(rhythm=0.0)
    with pytest.raises(DriftReferenceError):
        watch().push(np.zeros((5, 2), np.float32), times(5))
    other = watch(rhythm=2 * RHYTHM).state()
    with pytest.raises(DriftStateError, match=r"a state in blocks of .* rows, got blocks of .*Give the rhythm"):
        watch().restore(other)
    with pytest.raises(DriftStateError, match="something else, or damaged"):
        watch().restore(watch().state()[:-3])
