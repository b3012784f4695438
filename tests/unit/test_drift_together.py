"""Drift between channels: what products of channels show and no channel by itself."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import DriftReferenceError
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording, Samples
from edgewright.core.records.device import Event
from edgewright.core.records.package import JointReference
from edgewright.data.samples import cut
from edgewright.monitor.drift.cross_channel import JointMonitor, faults, moved, products
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch
from edgewright.pipeline.package.motion import FEWEST_UNITS
from edgewright.pipeline.package.packaging import joint_reference, reference

Rows = NDArray[np.float32]
RATE, RHYTHM = 10.0, 400.0
COLUMNS = (*(Column(name=n, unit="g") for n in "xyz"), Column(name="t", unit="°C"))


def _person(seed: int, rows: int = 6000) -> Rows:
    """Two readings of a turning wheel, a third that follows the first, and a temperature; people turn it unevenly."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 2 * np.pi, rows // 10).repeat(10)
    turn += rng.uniform(0, 0.2) * np.cos(turn + rng.uniform(0, 2 * np.pi))
    wheel = np.stack([np.cos(turn), np.sin(turn), np.cos(turn)], axis=1) + rng.normal(0, 0.3, (rows, 3))
    warm = 20 + rng.normal(0, 1) + rng.normal(0, 2, rows // 100).repeat(100)
    return np.concatenate([wheel, warm[:, None]], axis=1).astype(np.float32)


def _set(people: int = 16) -> DataSet:
    recordings = [
        Recording(
            name=f"r{k}", values=_person(k), groups=np.full(6000, f"p{k}"),
            target=np.where(np.arange(6000) % 200 < 100, "a", "b"),
        )
        for k in range(people)
    ]  # fmt: skip
    return DataSet(name="carried", columns=COLUMNS, recordings=tuple(recordings), rate=RATE, target_name="y")


@pytest.fixture(scope="module")
def known() -> tuple[DataSet, Samples, JointReference]:
    data = _set()
    samples = cut(data, WindowConfig(samples=50, step=50))
    joint = joint_reference(data, samples, np.arange(len(samples.y)))
    assert joint is not None
    return data, samples, joint


def _watch(known: tuple[DataSet, Samples, JointReference], *, alone: bool = False) -> DriftWatch:
    _, samples, joint = known
    columns = reference(samples, np.arange(len(samples.y)))
    return DriftWatch(
        columns, RATE, DriftConfig(rhythm=RHYTHM), None if alone else JointMonitor(joint, COLUMNS, RHYTHM)
    )


def _stream(seed: int = 100, people: int = 5) -> Rows:
    """People the reference has not seen, one after the other."""
    return np.concatenate([_person(seed + k, 4000) for k in range(people)])


def _events(watch: DriftWatch, rows: Rows) -> list[Event]:
    return watch.push(rows, np.arange(len(rows)) / RATE)


def _swap(rows: Rows) -> Rows:
    return np.ascontiguousarray(rows[:, [0, 2, 1, 3]])


FAULTS: dict[str, Any] = {
    "y and z swapped": _swap,
    "gain of x, y, z": lambda rows: rows * np.asarray([1.1, 1.1, 1.1, 1], np.float32),
    "offset of x": lambda rows: rows + np.asarray([0.2, 0, 0, 0], np.float32),
}


@pytest.mark.parametrize("message", FAULTS)
def test_faults_that_channels_share_are_named_with_their_time(
    known: tuple[DataSet, Samples, JointReference], message: str
) -> None:
    rows = _stream()
    half = len(rows) // 2
    rows[half:] = FAULTS[message](rows[half:])
    events = [event for event in _events(_watch(known), rows) if event.detail["test"] == "together"]
    assert len(events) == 1
    assert message in events[0].detail["change"].split(", or ")
    # Within two rhythms, and its beginning within half of one.
    assert half / RATE < events[0].time <= half / RATE + 2 * RHYTHM
    assert abs(events[0].detail["since"] - half / RATE) <= RHYTHM / 2
    assert events[0].score >= 1


@pytest.mark.slow
def test_a_gain_of_all_axes_is_no_drift_of_any_one(known: tuple[DataSet, Samples, JointReference]) -> None:
    """Nor are two axes that look alike and are swapped."""
    for reported in ("gain of x, y, z", "y and z swapped"):
        rows = FAULTS[reported](_stream())
        assert _events(_watch(known, alone=True), rows) == []
        assert [event.detail["test"] for event in _events(_watch(known), rows)] == ["together"]


@pytest.mark.slow
def test_people_the_reference_has_not_seen_are_no_drift(known: tuple[DataSet, Samples, JointReference]) -> None:
    events = [event for seed in range(200, 260, 10) for event in _events(_watch(known), _stream(seed))]
    # Of six streams of five people, each of whom may lie beyond the limit once in a hundred.
    assert len([event for event in events if event.detail["test"] == "together"]) == 0


@pytest.mark.slow
def test_how_rows_come_and_a_state_between_them_change_nothing(
    known: tuple[DataSet, Samples, JointReference],
) -> None:
    rows = _stream()
    rows[9000:] = _swap(rows[9000:])
    rows[17, 1] = np.nan
    times = np.arange(len(rows)) / RATE
    whole, events = _watch(known), []
    expected = _events(whole, rows)
    piecewise = _watch(known)
    for at in range(0, len(rows), 37):
        events += piecewise.push(rows[at : at + 37], times[at : at + 37])
        if at % 370 == 0:
            state, piecewise = piecewise.state(), _watch(known)
            piecewise.restore(state)
    assert events == expected
    assert piecewise.state() == whole.state()


def test_ten_channels_take_less_than_two_kilobytes() -> None:
    columns = tuple(Column(name=f"c{i}", unit="g") for i in range(10))
    rng = np.random.default_rng(0)
    people = [
        Recording(name=f"r{k}", values=rng.normal(0, 1, (400, 10)).astype(np.float32), groups=np.full(400, f"p{k}"),
                  target=np.where(np.arange(400) < 200, "a", "b"))
        for k in range(12)
    ]  # fmt: skip
    data = DataSet(name="ten", columns=columns, recordings=tuple(people), rate=RATE, target_name="y")
    samples = cut(data, WindowConfig(samples=20, step=20))
    joint = joint_reference(data, samples, np.arange(len(samples.y)))
    assert joint is not None
    watch = JointMonitor(joint, columns, RHYTHM)
    watch.push(people[0].values)
    assert watch.size_bytes < 2000
    assert len(watch.to_bytes()) < watch.size_bytes
    with pytest.raises(DriftReferenceError, match="expected a reference of 9 channels together"):
        JointMonitor(joint, columns[:9], RHYTHM)


def test_channels_that_follow_each_other_have_a_reference_too() -> None:
    rng = np.random.default_rng(3)
    columns = tuple(Column(name=f"c{i}", unit="g") for i in range(8))
    recordings = []
    for k in range(9):
        wave = rng.normal(0, 1, (300, 1)) * 10.0 ** rng.uniform(-3, 0) + rng.normal()
        values = wave * 10.0 ** rng.uniform(-3, 3, 8) + rng.normal(0, 1e-5, (300, 8))
        target = np.where(np.arange(300) < 150, "a", "b")
        recordings.append(Recording(name=f"r{k}", values=values.astype(np.float32), groups=np.full(300, f"p{k}"),
                                    target=target))  # fmt: skip
    data = DataSet(name="alike", columns=columns, recordings=tuple(recordings), rate=RATE, target_name="y")
    samples = cut(data, WindowConfig(samples=20, step=20))
    joint = joint_reference(data, samples, np.arange(len(samples.y)))
    assert joint is not None
    watch = JointMonitor(joint, columns, RHYTHM)
    watch.push(recordings[0].values)


@pytest.mark.parametrize(("texts", "rows"), [(2, 20), (3, 20), (3, 300), (4, 400)])
def test_units_that_are_exactly_alike_have_no_reference(texts: int, rows: int) -> None:
    columns = tuple(Column(name=f"lot={k}") for k in range(texts))
    values = np.eye(texts, dtype=np.float32)[np.arange(rows) % texts]
    target = np.where(np.arange(rows) % 2, "a", "b")
    people = [Recording(name=f"r{k}", values=values, groups=np.full(rows, f"p{k}"), target=target) for k in range(8)]
    data = DataSet(name="lots", columns=columns, recordings=tuple(people), rate=RATE, target_name="y")
    samples = cut(data, None)
    assert joint_reference(data, samples, np.arange(len(samples.y))) is None


@pytest.mark.parametrize("readings", [0, 2])
def test_channels_of_texts_that_sum_to_one_raise_no_alarm_without_a_change(readings: int) -> None:
    rng = np.random.default_rng(5)
    columns = tuple(Column(name=name) for name in ("lot=A", "lot=B", "lot=C", "x", "y")[: 3 + readings])
    people = []
    for k in range(24):
        lots = np.eye(3)[rng.integers(0, 3, 400)]
        values = np.concatenate([lots, rng.normal(10 + rng.normal(0, 0.1), 1, (400, readings))], axis=1)
        target = np.where(rng.random(400) < 0.5, "a", "b")
        people.append(Recording(name=f"r{k}", values=values.astype(np.float32), groups=np.full(400, f"p{k}"),
                                target=target))  # fmt: skip
    data = DataSet(name="lots", columns=columns, recordings=tuple(people[:16]), rate=RATE, target_name="y")
    samples = cut(data, None)
    joint = joint_reference(data, samples, np.arange(len(samples.y)))
    assert joint is not None
    watch = JointMonitor(joint, columns, RHYTHM)
    assert np.isfinite(watch._directions).all()
    for person in people[16:]:
        watch.push(person.values)
        assert watch.close() is None
    assert np.linalg.norm(np.stack(watch._ring), axis=1).max() < 2


def test_products_of_a_change_are_those_of_the_changed_rows() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(2, 1, (500, 4))
    center, scale = np.asarray([0, 0, 0, 2.0]), np.asarray([2.0, 2.2, 1.8, 1.0])

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        one = np.concatenate([np.ones((len(values), 1)), (values - center) / scale], axis=1)
        return products(one.T @ one / len(one))

    by_name = {f.text: f for f in faults(COLUMNS, center, scale, np.ones(4))}
    swapped = moved(mean(rows), by_name["y and z swapped"].change)
    np.testing.assert_allclose(swapped, mean(rows[:, [0, 2, 1, 3]]) - mean(rows), atol=1e-9)
    grown = moved(mean(rows), by_name["gain of t"].change)
    np.testing.assert_allclose(grown, mean(rows * [1, 1, 1, 1.5]) - mean(rows), atol=1e-9)


def test_few_people_or_no_time_have_no_reference(known: tuple[DataSet, Samples, JointReference]) -> None:
    data, samples, _ = known
    assert samples.groups is not None
    few = np.flatnonzero(np.isin(samples.groups, [f"p{k}" for k in range(FEWEST_UNITS - 1)]))
    assert joint_reference(data, samples, few) is None
    timeless = msgspec.structs.replace(data, rate=None)
    assert joint_reference(timeless, samples, np.arange(len(samples.y))) is None


def test_what_a_rhythm_strays_by_chance_is_taken_off_where_training_is_much_longer(
    known: tuple[DataSet, Samples, JointReference],
) -> None:
    """Training as short as the rhythm strays as much as the rhythm does: nothing is taken off."""
    _, _, joint = known
    scores = []
    for seconds in (RHYTHM, 10 * RHYTHM, 1000 * RHYTHM):
        monitor = JointMonitor(msgspec.structs.replace(joint, seconds=seconds), COLUMNS, RHYTHM)
        for block in np.array_split(_swap(_stream())[:4000], 20):
            monitor.push(block)
            monitor.close()
        scores.append(monitor.score)
    assert scores[0] > scores[1] > scores[2] > 0
