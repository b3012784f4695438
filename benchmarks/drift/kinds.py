"""Twenty kinds of changes of a motion sensor: which ones a device names within the hour, on people left out.

python -m benchmarks.drift.kinds --data FOLDER: FOLDER holds the public set HAPT. References are of three quarters of
people 1 to 25, streams of the others. With --look the reference is of all of these, and streams are of people 26 to 30.

A stream is a device that one person wears: the two recordings of the person, six minutes each, one after the other in
drawn orders until an hour has passed, and with a change for one hour more. Rows go through sensor health and the drift
watch of the device, and those with times of their own through its timeline. A name is the kind of the change and its
channels: that a channel drifts is none. A kind is named where nine streams in ten name it. With --week seven days
without a change follow: each day one person, all days on one device.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.device.timeline import Timeline
from edgewright.monitor.drift.motion_monitor import MotionMonitor
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch
from edgewright.monitor.sensor_health import Health, SensorHealth
from edgewright.pipeline.package.motion_reference import motion_reference
from edgewright.pipeline.package.packaging import reference
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet, Samples
from edgewright.schema.device import Packet

Rows = NDArray[np.float32]
RATE, RHYTHM, HOUR, SLOW_S, PACKET = 50.0, 1800.0, 3600.0, 1200.0, 1000
NAMES = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
TEST = ("26", "27", "28", "29", "30")
FOLDS, ENOUGH = 4, 0.9
# What the sensors of HAPT resolve and reach.
ACC_STEP, GYRO_STEP, ACC_RANGE = 1 / 720, 0.000305, 2.0


def read(rows: NDArray[np.float64]) -> Rows:
    """Return what the sensors give for such movements: their steps and range."""
    acc = np.clip(np.rint(rows[:, :3] / ACC_STEP) * ACC_STEP, -ACC_RANGE, ACC_RANGE)
    return np.concatenate([acc, np.rint(rows[:, 3:] / GYRO_STEP) * GYRO_STEP], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Variant:
    """A change of one kind.

    Attributes:
        kind: of the twenty.
        names: each of them is right.
        change: from the rows of an hour to those of the changed device.
        times: from the number of rows to when they come, seconds; None where nobody knows another rate.
    """

    kind: str
    names: tuple[str, ...]
    change: Callable[[Rows], Rows]
    times: Callable[[int], NDArray[np.float64]] | None = None


def affine(matrix: NDArray[np.float64], offset: NDArray[np.float64] | None = None) -> Callable[[Rows], Rows]:
    """Return a change that multiplies rows by a matrix of the six channels and adds an offset to them."""
    shift = np.zeros(6) if offset is None else offset
    return lambda x: read(x.astype(np.float64) @ matrix.T + shift)


def gains(factors: dict[int, float]) -> NDArray[np.float64]:
    """Return the matrix of factors on some channels."""
    return np.diag([factors.get(channel, 1.0) for channel in range(6)])


def swap(i: int, j: int) -> NDArray[np.float64]:
    """Return the matrix of two channels in each other's place."""
    order = [j if c == i else i if c == j else c for c in range(6)]
    return np.eye(6)[order]


def only(channel: int, by: float) -> NDArray[np.float64]:
    """Return an offset on one channel."""
    return np.where(np.arange(6) == channel, by, 0.0)


def slowly(channel: int, by: float) -> Callable[[Rows], Rows]:
    """Return an offset that grows for twenty minutes."""

    def change(x: Rows) -> Rows:
        growth = np.minimum(np.arange(len(x)) / (RATE * SLOW_S), 1)[:, None]
        return read(x.astype(np.float64) + growth * only(channel, by))

    return change


def noisy(channel: int, deviation: float) -> Callable[[Rows], Rows]:
    """Return white noise on one channel."""
    return lambda x: read(x + np.random.default_rng(1).normal(0, deviation, (len(x), 1)) * np.eye(6)[channel])


def clipped(channels: slice, limit: float) -> Callable[[Rows], Rows]:
    """Return a smaller range of one sensor."""

    def change(x: Rows) -> Rows:
        rows = x.copy()
        rows[:, channels] = np.clip(rows[:, channels], -limit, limit)
        return rows

    return change


def stuck(channel: int) -> Callable[[Rows], Rows]:
    """One channel that stands at its first value."""
    return lambda x: np.where(np.arange(6) == channel, x[0], x).astype(np.float32)


def kept_rows(count: int) -> NDArray[np.int64]:
    """Return nine rows in ten, drawn."""
    return np.flatnonzero(np.random.default_rng(2).random(count) >= 0.1)


def repeated(x: Rows) -> Rows:
    """Rows that are lost are the ones before them once more."""
    source = np.zeros(len(x), np.int64)
    source[kept_rows(len(x))] = kept_rows(len(x))
    return np.ascontiguousarray(x[np.maximum.accumulate(source)])


def at_rate(up: int, down: int) -> Callable[[Rows], Rows]:
    """Return the rows of a device that reads up / down times as often, for as long as it gives as many rows."""

    def change(x: Rows) -> Rows:
        return read(resample_poly(x.astype(np.float64), up, down, axis=0, padtype="line")[: len(x)])

    return change


def times_at(rate: float, count: int) -> NDArray[np.float64]:
    """Return when so many rows come, seconds."""
    return np.arange(count) / rate


def late(rows: int) -> Callable[[Rows], Rows]:
    """Return a gyroscope that comes so many rows after the accelerometer."""
    return lambda x: np.concatenate([x[:, :3], np.roll(x[:, 3:], rows, axis=0)], axis=1)


def coarse(channels: slice, step: float) -> Callable[[Rows], Rows]:
    """Return a sensor of coarser steps."""

    def change(x: Rows) -> Rows:
        rows = x.copy()
        rows[:, channels] = np.rint(rows[:, channels] / step) * step
        return rows

    return change


def in_units(channels: slice, factor: float) -> Callable[[Rows], Rows]:
    """Return a sensor in other units."""

    def change(x: Rows) -> Rows:
        rows = x.copy()
        rows[:, channels] *= np.float32(factor)
        return rows

    return change


def quarter_turn(axis: int) -> NDArray[np.float64]:
    """Return a turn of both sensors by 90 degrees about an axis."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((3, 3))
    turn[axis, axis], turn[i, j], turn[j, i] = 1, -1, 1
    return np.asarray(np.kron(np.eye(2), turn), np.float64)


def variants() -> Iterator[Variant]:
    """All changes: twenty kinds."""
    acc, gyro = slice(0, 3), slice(3, 6)
    common = {"acc": "gain of acc_x, acc_y, acc_z", "gyro": "gain of gyro_x, gyro_y, gyro_z"}
    for channel in range(6):
        yield Variant("gain of one axis", (f"gain of {NAMES[channel]}",), affine(gains({channel: 1.2})))
    for channel, by in ((0, -0.3), (1, 0.3), (2, 0.3)):
        yield Variant("offset of one axis", (f"offset of {NAMES[channel]}",), affine(np.eye(6), only(channel, by)))
    for first, second in ((0, 1), (0, 2), (1, 2)):
        for base in (0, 3):
            i, j = base + first, base + second
            kind = f"swap of {'xyz'[first]} and {'xyz'[second]}"
            yield Variant(kind, (f"{NAMES[i]} and {NAMES[j]} swapped",), affine(swap(i, j)))
    for channel in range(6):
        yield Variant("sign of an axis", (f"sign of {NAMES[channel]}",), affine(gains({channel: -1.0})))
    for sensor, base in (("acc", 0), ("gyro", 3)):
        for factor in (1.1, 0.9):
            factors = {base + axis: factor for axis in range(3)}
            yield Variant(f"gain of all {sensor}", (common[sensor],), affine(gains(factors)))
    for channel, by in ((3, 0.2), (4, -0.2), (5, 0.2)):
        yield Variant("offset of the gyroscope", (f"offset of {NAMES[channel]}",), affine(np.eye(6), only(channel, by)))
    for channel, deviation in ((0, 0.2), (5, 0.5)):
        yield Variant("noise", (f"noise of {NAMES[channel]}",), noisy(channel, deviation))
    yield Variant("smaller range", tuple(f"range of {name}" for name in NAMES[:3]), clipped(acc, 1.2))
    yield Variant("smaller range", tuple(f"range of {name}" for name in NAMES[3:]), clipped(gyro, 1.0))
    for channel in (2, 3):
        yield Variant("stuck axis", (f"{NAMES[channel]} stuck",), stuck(channel))
    yield Variant("lost samples", ("samples lost",), lambda x: x[kept_rows(len(x))], lambda n: kept_rows(n) / RATE)
    yield Variant("lost samples", ("samples lost",), repeated)
    for up, down in ((4, 5), (5, 4)):
        times = partial(times_at, RATE * up / down)
        yield Variant("wrong rate", ("sampling rate",), at_rate(up, down), times)
        yield Variant("wrong rate", ("sampling rate",), at_rate(up, down))
    for channel in range(3):
        for by in (0.2, -0.2):
            yield Variant("slow offset of one axis", (f"offset of {NAMES[channel]}",), slowly(channel, by))
    for rows in (5, 10):
        yield Variant("delay between sensors", ("delay between sensors",), late(rows))
    # The other hip: up and outwards stay, forward becomes backward; a mirrored body turns with the other signs.
    yield Variant("mirrored wearer", ("mirrored",), affine(gains({1: -1.0, 3: -1.0, 5: -1.0})))
    for axis in range(3):
        yield Variant("turned by 90 degrees", ("turned",), affine(quarter_turn(axis)))
    yield Variant("coarser steps", tuple(f"resolution of {name}" for name in NAMES[:3]), coarse(acc, 1 / 16))
    yield Variant("coarser steps", tuple(f"resolution of {name}" for name in NAMES[3:]), coarse(gyro, 1 / 16))
    yield Variant("other units", ("units of acc_x, acc_y, acc_z",), in_units(acc, 9.80665))
    yield Variant("other units", ("units of gyro_x, gyro_y, gyro_z",), in_units(gyro, 57.29578))


# Gaps, and rows that were filled in, say what the timeline did, and no kind.
_HEALTH = {"rate": "sampling rate", "lost": "samples lost"}


@dataclass
class Device:
    """What a device does with the rows of a stream: health, drift, and the timeline where rows come at odd times.

    Attributes:
        alarms: (seconds, words, whether they name a kind), as they came.
    """

    watch: DriftWatch
    timeline: Timeline | None = None
    health: SensorHealth = field(default_factory=lambda: SensorHealth(NAMES, RATE, stuck=30.0, missing=2.0))
    alarms: list[tuple[float, str, bool]] = field(default_factory=list)

    def push(self, rows: Rows, times: NDArray[np.float64]) -> None:
        """Take rows in packets."""
        for start in range(0, len(rows), PACKET):
            part = slice(start, start + PACKET)
            blocks: list[tuple[Rows, NDArray[np.float64]]] = [(rows[part], times[part])]
            notices: list[Health] = []
            if self.timeline is None:
                self.health.check(rows[part], times[part].tolist(), notices)
            else:
                ready, notices = self.timeline.push(Packet(values=rows[part], time=times[part]))
                blocks = [(block.values, block.time) for block in ready]
            for notice in notices:
                if notice.kind == "stuck":
                    self.alarms.append((notice.time, f"{notice.channel} stuck", True))
                elif notice.kind in _HEALTH:
                    self.alarms.append((notice.time, _HEALTH[notice.kind], True))
            for block, moments in blocks:
                for event in self.watch.push(block, moments):
                    named = "change" in event.detail
                    words = event.detail["change"] if named else f"{event.label} {event.detail['test']}"
                    self.alarms.append((event.time, words, named))


def looped(recordings: list[Rows], rows: int, seed: int) -> Rows:
    """Return so many rows of recordings in drawn orders, one after the other."""
    rng = np.random.default_rng(seed)
    parts: list[Rows] = []
    while sum(map(len, parts)) < rows:
        parts += [recordings[i] for i in rng.permutation(len(recordings))]
    return np.concatenate(parts)[:rows]


@dataclass
class Outcome:
    """What was said of the streams of one variant."""

    named: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seen: int = 0
    streams: int = 0


class People:
    """The people of the set, and watches fitted on some of them."""

    def __init__(self, folder: str) -> None:
        self.dataset: DataSet = load_data({"kind": "hapt", "path": folder}, seed=0)
        self.samples: Samples = cut(self.dataset, WindowConfig(samples=128))
        of: dict[str, list[Rows]] = {}
        for recording in self.dataset.recordings:
            assert recording.groups is not None  # noqa: S101 - HAPT knows its people
            of.setdefault(str(recording.groups[0]), []).append(recording.values)
        self.recordings = of
        self.chosen = sorted((p for p in of if p not in TEST), key=int)

    def watch_factory(self, trained: set[str]) -> Callable[[], DriftWatch]:
        """Return what makes a watch whose reference is of some people."""
        assert self.samples.groups is not None  # noqa: S101 - HAPT knows its people
        rows = np.flatnonzero(np.isin(self.samples.groups, sorted(trained)))
        columns = reference(self.samples, rows)
        motion = motion_reference(self.dataset, self.samples, rows)
        assert motion is not None  # noqa: S101 - eight people at least
        print(f"cannot notice: {'; '.join(motion.unnoticed)}", flush=True)

        def make() -> DriftWatch:
            monitor = MotionMonitor(motion, self.samples.columns)
            return DriftWatch(columns, RATE, DriftConfig(rhythm=RHYTHM), motion=monitor)

        return make


def stream_of(
    make: Callable[[], DriftWatch], recordings: list[Rows], changes: list[Variant], outcomes: list[Outcome]
) -> list[str]:
    """Add what was said of each change of one person's stream; return the alarms before it."""
    hour = round(HOUR * RATE)
    rows = looped(recordings, 2 * hour + hour // 4, 0)
    before = Device(make())
    before.push(rows[:hour], np.arange(hour) / RATE)
    state = before.watch.state()
    for variant, outcome in zip(changes, outcomes, strict=True):
        changed = variant.change(rows[hour:])
        times = np.arange(len(changed)) / RATE if variant.times is None else variant.times(len(rows) - hour)
        kept = times[: len(changed)] < HOUR
        device = Device(make(), None if variant.times is None else Timeline(RATE, NAMES))
        device.watch.restore(state)
        device.push(changed[: len(kept)][kept], HOUR + times[: len(changed)][kept])
        names = [(time - HOUR, words) for time, words, named in device.alarms if named]
        right = [time for time, words in names if words in variant.names]
        outcome.streams += 1
        outcome.named += right[:1]
        outcome.wrong += [words for _, words in names if words not in variant.names]
        outcome.seen += bool(device.alarms) and not names
    return [words for _, words, _ in before.alarms]


def table(changes: list[Variant], outcomes: list[Outcome]) -> None:
    """Print a row for each kind, and what the target asks for."""
    named_kinds, kinds, wrong = 0, list(dict.fromkeys(variant.kind for variant in changes)), 0
    print("| kind | named | delay, median | wrong names | unnamed alarm only |\n|---|---|---|---|---|")
    for kind in kinds:
        mine = [outcome for variant, outcome in zip(changes, outcomes, strict=True) if variant.kind == kind]
        streams, named = sum(o.streams for o in mine), [delay for o in mine for delay in o.named]
        other = [words for o in mine for words in o.wrong]
        named_kinds += len(named) >= ENOUGH * streams
        wrong += len(other)
        delay = f"{np.median(named) / 60:.0f} min" if named else "-"
        print(f"| {kind} | {len(named)} of {streams} | {delay} | {len(other)} | {sum(o.seen for o in mine)} |")
    print(f"{named_kinds} of {len(kinds)} kinds named in nine streams of ten; {wrong} wrong names")


def details(changes: list[Variant], outcomes: list[Outcome]) -> None:
    """Print a line for each variant."""
    for variant, outcome in zip(changes, outcomes, strict=True):
        others = {words: outcome.wrong.count(words) for words in dict.fromkeys(outcome.wrong)}
        print(f"  {variant.names[0]}: {len(outcome.named)} of {outcome.streams}, {others or ''}")


def week(make: Callable[[], DriftWatch], everyone: list[list[Rows]]) -> list[str]:
    """Return the alarms of seven days without a change, a person a day in turn on one device."""
    device, day = Device(make()), round(86400 * RATE)
    for number in range(7):
        rows = looped(everyone[number % len(everyone)], day, number)
        device.push(rows, (number * day + np.arange(day)) / RATE)
    return [words for _, words, _ in device.alarms]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--look", action="store_true", help="people 26 to 30")
    parser.add_argument("--fold", type=int, help="one of the quarters only")
    parser.add_argument("--week", action="store_true", help="seven days without a change, too")
    parser.add_argument("--only", default="", help="regular expression of kinds")
    options = parser.parse_args()
    people = People(options.data)
    changes = [variant for variant in variants() if re.search(options.only, variant.kind)]
    outcomes = [Outcome() for _ in changes]
    parts = [set(TEST)] if options.look else [set(people.chosen[at::FOLDS]) for at in range(FOLDS)]
    parts = parts if options.fold is None else parts[options.fold : options.fold + 1]
    calm: list[str] = []
    for part in parts:
        make = people.watch_factory(set(people.chosen) - part)
        for person in sorted(part, key=int):
            calm += stream_of(make, people.recordings[person], changes, outcomes)
            print(f"person {person}: done", flush=True)
    streams = sum(len(part) for part in parts)
    print(f"{streams} people, an hour each without a change: {len(calm)} alarms {sorted(set(calm))}")
    table(changes, outcomes)
    details(changes, outcomes)
    for part in parts if options.week else ():
        watch = people.watch_factory(set(people.chosen) - part)
        alarms = week(watch, [people.recordings[person] for person in sorted(part, key=int)])
        print(f"a week without a change: {len(alarms)} alarms {alarms[:12]}", flush=True)


if __name__ == "__main__":
    main()
