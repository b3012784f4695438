"""Drift between channels on HAPT: swapped axes, common gains and slow offsets that no channel shows by itself.

python -m benchmarks.drift.together --data FOLDER leaves people out: references are of three quarters of people 1 to 25,
streams of the others. With --look the reference is of all of these, and streams are of people 26 to 30, by whom nothing
was chosen. A stream is the recordings of its people three times in drawn orders; a fault begins in the middle.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.hapt import RATE, RHYTHM
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.monitor.drift.cross_channel import JointMonitor
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch
from edgewright.pipeline.package.packaging import joint_reference, reference
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet, Samples
from edgewright.schema.device import Event
from edgewright.schema.package import ReferenceColumn

Rows = NDArray[np.float32]
NAMES = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
TEST = ("26", "27", "28", "29", "30")
FOLDS, ORDERS, TIMES, HOUR, SLOW = 4, 2, 3, 3600.0, 1200.0


def common(channels: tuple[int, ...], factor: float) -> Callable[[Rows], Rows]:
    """One gain on several channels."""
    return lambda x: np.asarray(np.where(np.isin(np.arange(6), channels), x * factor, x), np.float32)


def swapped(i: int, j: int) -> Callable[[Rows], Rows]:
    """Two channels in each other's place."""
    order = [j if c == i else i if c == j else c for c in range(6)]
    return lambda x: np.asarray(x[:, order], np.float32)


def slowly(channel: int, by: float) -> Callable[[Rows], Rows]:
    """Return an offset that grows for twenty minutes."""

    def change(x: Rows) -> Rows:
        growth = np.minimum(np.arange(len(x)) / (RATE * SLOW), 1)[:, None]
        return np.asarray(x + by * growth * (np.arange(6) == channel), np.float32)

    return change


@dataclass(frozen=True)
class Fault:
    """What is said of it, its channels, and what it does to rows."""

    said: str
    channels: tuple[int, ...]
    change: Callable[[Rows], Rows]


def faults() -> Iterator[tuple[str, Fault]]:
    """All that are tried, by name."""
    for unit, three in (("acc", (0, 1, 2)), ("gyro", (3, 4, 5))):
        text = ", ".join(NAMES[i] for i in three)
        for factor in (1.1, 0.9):
            yield f"gain {factor} of {unit}", Fault(f"gain of {text}", three, common(three, factor))
        for i, j in itertools.combinations(three, 2):
            told_two = f"{NAMES[i]} and {NAMES[j]} swapped"
            yield told_two, Fault(told_two, (i, j), swapped(i, j))
    for i in range(3):
        for by in (0.2, -0.2):
            yield f"{NAMES[i]} {by:+} g, slowly", Fault(f"offset of {NAMES[i]}", (i,), slowly(i, by))


def streams(dataset: DataSet, people: set[str]) -> Iterator[Rows]:
    """Yield recordings of some people, three times, in drawn orders."""
    chosen = [r.values for r in dataset.recordings if r.groups is not None and str(r.groups[0]) in people]
    for seed in range(ORDERS):
        rng = np.random.default_rng(seed)
        yield np.concatenate([chosen[i] for _ in range(TIMES) for i in rng.permutation(len(chosen))])


def events_of(rows: Rows, columns: tuple[ReferenceColumn, ...], joint: JointMonitor | None) -> list[Event]:
    """All that is told of a stream, its confidence left out."""
    watch = DriftWatch(columns, RATE, DriftConfig(rhythm=RHYTHM), joint)
    times = np.arange(len(rows)) / RATE
    return [e for at in range(0, len(rows), 5000) for e in watch.push(rows[at : at + 5000], times[at : at + 5000])]


def measured(
    dataset: DataSet, samples: Samples, trained: set[str], others: set[str], rows_of: dict[str, list[str]]
) -> int:
    """Add what was told of each fault; give the alarms on streams without one."""
    assert samples.groups is not None  # noqa: S101 - HAPT knows its people
    rows = np.flatnonzero(np.isin(samples.groups, sorted(trained)))
    columns, joint = reference(samples, rows), joint_reference(dataset, samples, rows)
    assert joint is not None  # noqa: S101 - eight people at least
    alarms = 0
    for stream in streams(dataset, others):
        clean = events_of(stream, columns, JointMonitor(joint, samples.columns, RHYTHM))
        alarms += len(clean)
        half = len(stream) // 2
        for name, fault in faults():
            rows_now = stream.copy()
            rows_now[half:] = fault.change(rows_now[half:])
            reported = [
                (e.time - half / RATE, e)
                for e in events_of(rows_now, columns, JointMonitor(joint, samples.columns, RHYTHM))
                if half / RATE < e.time <= half / RATE + HOUR
            ]
            wanted = [NAMES[i] for i in fault.channels]
            together = [(delay, e) for delay, e in reported if e.detail["test"] == "together"]
            right = [d for d, e in together if fault.said in e.detail["change"].split(", or ")]
            alone = [d for d, e in reported if e.detail["test"] != "together" and e.label in wanted]
            kind = "named" if right else "seen" if together else "channel" if alone else "missed"
            rows_of.setdefault(name, []).append(
                f"{kind} {min([*right, *(d for d, _ in together), *alone, HOUR]) / 60:.0f}"
            )
    return alarms


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--look", action="store_true")
    options = parser.parse_args()
    dataset = load_data({"kind": "hapt", "path": options.data}, seed=0)
    samples = cut(dataset, WindowConfig(samples=128))
    everybody = sorted({str(r.groups[0]) for r in dataset.recordings if r.groups is not None}, key=int)
    people = [p for p in everybody if p not in TEST]
    parts = [set(TEST)] if options.look else [set(people[at::FOLDS]) for at in range(FOLDS)]
    rows_of: dict[str, list[str]] = {}
    alarms = sum(measured(dataset, samples, set(people) - part, part, rows_of) for part in parts)
    print(f"{len(parts) * ORDERS} streams without a fault: {alarms} alarms")
    for name, lines in rows_of.items():
        kinds = [one.split()[0] for one in lines]
        counts = ", ".join(f"{kind} {kinds.count(kind)}" for kind in ("named", "seen", "channel", "missed"))
        delay = np.median([float(one.split()[1]) for one in lines])
        print(f"{name}: {counts}, of {len(lines)}; {delay:.0f} min in the median", flush=True)


if __name__ == "__main__":
    main()
