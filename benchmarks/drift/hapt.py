"""Drift on HAPT: false alarms on people as they are, and how soon an injected fault is named.

python -m benchmarks.drift.hapt RUN --data FOLDER: RUN is a run of the pipeline `hapt`; its training and validation
people are looked at, its test people are not. Recordings are put one after the other in drawn orders.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.package import read_package
from edgewright.core.predictor import package_path
from edgewright.monitor.drift.reference_test import stability_index
from edgewright.monitor.drift.sketch import bins_of
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch, watch_of
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.pipeline.run_folder.store import load_fitted
from edgewright.schema.data import DataSet
from edgewright.schema.device import Event
from edgewright.schema.package import Manifest

Rows = NDArray[np.float32]
RHYTHM, RATE, ORDERS = 1800.0, 50.0, 6


def noise(x: Rows) -> Rows:
    """White noise of 0.6 g on acc_x."""
    return np.asarray(x + np.random.default_rng(1).normal(0, 0.6, x.shape) * (np.arange(6) == 0), np.float32)


def scaled(channel: int, factor: float) -> Callable[[Rows], Rows]:
    """Return a gain on one channel."""
    return lambda x: np.where(np.arange(6) == channel, x * factor, x).astype(np.float32)


def moved(channel: int, by: float) -> Callable[[Rows], Rows]:
    """Return an offset on one channel."""
    return lambda x: (x + by * (np.arange(6) == channel)).astype(np.float32)


def stuck(channel: int) -> Callable[[Rows], Rows]:
    """One channel that stands at its first value."""
    return lambda x: np.where(np.arange(6) == channel, x[0], x).astype(np.float32)


FAULTS: dict[str, tuple[tuple[str, ...], Callable[[Rows], Rows]]] = {
    "acc_x gain 1.2": (("acc_x",), scaled(0, 1.2)),
    "acc_x gain 1.5": (("acc_x",), scaled(0, 1.5)),
    "acc_y offset 0.3 g": (("acc_y",), moved(1, 0.3)),
    "gyro_z offset 0.5 rad/s": (("gyro_z",), moved(5, 0.5)),
    "acc_z stuck": (("acc_z",), stuck(2)),
    "gyro_x stuck": (("gyro_x",), stuck(3)),
    "acc_x and acc_y swapped": (("acc_x", "acc_y"), lambda x: np.ascontiguousarray(x[:, [1, 0, 2, 3, 4, 5]])),
    "acc_x noise 0.6 g": (("acc_x",), noise),
    "gyro_y in degrees": (("gyro_y",), scaled(4, 57.3)),
}


def stream(dataset: DataSet, people: set[str], seed: int) -> Rows:
    """Return the recordings of some people, one after the other, in a drawn order."""
    chosen = [r.values for r in dataset.recordings if r.groups is not None and str(r.groups[0]) in people]
    order = np.random.default_rng(seed).permutation(len(chosen))
    return np.concatenate([chosen[index] for index in order])


def watched(manifest: Manifest, rows: Rows) -> tuple[list[Event], DriftWatch]:
    """All events, and the watch at the end."""
    watch = watch_of(manifest, DriftConfig(rhythm=RHYTHM))
    times = np.arange(len(rows)) / RATE
    events = []
    for start in range(0, len(rows), 50):
        events += watch.push(rows[start : start + 50], times[start : start + 50])
    return events, watch


def control(manifest: Manifest, dataset: DataSet, people: set[str], name: str) -> None:
    """Print false alarms next to those of the customary rule on single blocks."""
    count = blocks = beyond = 0
    days = seconds = 0.0
    for seed in range(ORDERS):
        rows = stream(dataset, people, seed)
        begun = time.process_time()
        events, watch = watched(manifest, rows)
        seconds += time.process_time() - begun
        count += len(events)
        days += len(rows) / RATE / 86400
        for index, column in enumerate(manifest.reference):
            bins = bins_of(column)
            for start in range(0, len(rows) - watch.block, watch.block):
                counts = bins.counts(rows[start : start + watch.block, index])
                blocks += 1
                beyond += stability_index(counts / counts.sum(), bins.expected) >= 0.25
    largest = max(len(channel.to_bytes()) for channel in watch.channels)
    print(
        f"{name}: {count} alarms in {days:.2f} days of {ORDERS} orders; PSI >= .25 in {beyond / blocks:.0%} of single"
    )
    print(f"  blocks; {1e6 * seconds / (days * 86400 * RATE):.2f} us a row of 6 channels, {largest} B a channel")


def faults(manifest: Manifest, dataset: DataSet, people: set[str]) -> None:
    """Each fault from the middle of the stream on."""
    for name, (wanted, change) in FAULTS.items():
        delays, offs, others = [], [], 0
        for seed in range(ORDERS):
            rows = stream(dataset, people, seed)
            half = len(rows) // 2
            rows[half:] = change(rows[half:])
            events, _ = watched(manifest, rows)
            named = [event for event in events if set(event.label.split(", ")) <= set(wanted)]
            others += len(events) - len(named)
            if named:
                delays.append(named[0].time - half / RATE)
                offs.append(abs(named[0].detail["since"] - half / RATE))
        text = f"{len(delays)} of {ORDERS}"
        if delays:
            text += f", {np.median(delays) / 60:.0f} min ({np.median(delays) * RATE:,.0f} rows), began "
            text += f"{np.median(offs) / 60:.1f} min off"
        print(f"{name}: {text}; other channels {others}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    config = load_fitted(options.run / "pipeline")[0].config
    material = prepare(data_plan(config), options.data)
    groups = material.samples.groups
    if groups is None:
        raise SystemExit("a run that knows its people is needed")
    side = {
        name: {str(g) for g in np.unique(groups[rows])}
        for name, rows in (("training", material.sides.train), ("validation", material.sides.validation))
    }
    manifest = read_package(package_path(judged_of(options.run))).manifest
    for name, people in side.items():
        control(manifest, material.dataset, people, f"{len(people)} {name} people")
    faults(manifest, material.dataset, side["training"])


if __name__ == "__main__":
    main()
