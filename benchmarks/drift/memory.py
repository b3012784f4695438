"""False alarms of drift where the rhythm is only some times as long as rows hang together: simulated and real streams.

python -m benchmarks.drift.memory --data FOLDER: FOLDER holds `har-hapt`, `skab` and `nab`. Every channel is a stream of
its own and its own reference, so that every alarm is false; one in 12.5 rhythms is allowed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from edgewright.data.load import load_data
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch
from edgewright.schema.package import ReferenceColumn

Rows = NDArray[np.float32]
SHARES = (0, 1, 5, 25, 50, 75, 95, 99, 100)
RHYTHM, RHYTHMS_AN_ALARM, STREAMS, LENGTH = 400, 12.5, 8, 20_000
SETS = {"skab": "skab", "nab": "nab", "har-hapt": "hapt"}


def reference(values: NDArray[np.float64]) -> tuple[ReferenceColumn, ...]:
    """Return statistics of columns, shape (rows, columns)."""
    return tuple(
        ReferenceColumn(
            name=f"c{index}",
            mean=float(column.mean()),
            deviation=float(column.std()),
            missing=0.0,
            quantiles=tuple(float(q) for q in np.percentile(column, SHARES)),
        )
        for index, column in enumerate(values.T)
    )


def correlated(rows: int, memory: float, seed: int) -> NDArray[np.float64]:
    """Three channels of deviation 1 whose correlation falls to 1/e in so many rows."""
    keep = math.exp(-1 / memory)
    noise = np.random.default_rng(seed).normal(0, 1, (rows, 3))
    noise[1:] *= math.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], noise, axis=0))


def alarms(rows: NDArray[np.float64], columns: tuple[ReferenceColumn, ...], rhythm: int) -> int:
    """How many were told; one in `RHYTHMS_AN_ALARM` is allowed."""
    config = DriftConfig(rhythm=float(rhythm), false_alarms=86400 / (RHYTHMS_AN_ALARM * rhythm))
    watch = DriftWatch(columns, 1.0, config)
    return len(watch.push(rows.astype(np.float32), np.arange(len(rows), dtype=np.float64)))


def memory_of(column: NDArray[np.float64]) -> int:
    """Return rows until the autocorrelation is first below 1/e."""
    centred = column - column.mean()
    size = 1 << (2 * len(column) - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    correlation = np.fft.irfft(power, size)[: len(column)]
    return int(np.argmax(correlation < correlation[0] / math.e))


def normal_rows(kind: str, folder: Path) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield streams of one set: HAPT's people one after the other, else each recording without what is labelled odd."""
    dataset = load_data({"kind": SETS[kind], "path": str(folder / kind)}, seed=0)
    if kind == "har-hapt":
        yield "all", np.concatenate([r.values for r in dataset.recordings]).astype(np.float64)
        return
    for recording in dataset.recordings:
        values = recording.values.astype(np.float64)
        if recording.target is not None:
            values = values[np.asarray(recording.target).astype(str) != "anomaly"]
        yield recording.name, values[np.isfinite(values).all(1)]


def simulated() -> None:
    """Streams of a known memory."""
    for memory in (2, 20, 50, 100, 200):
        columns = reference(correlated(400_000, memory, 0))
        alarm_count = sum(alarms(correlated(LENGTH, memory, 100 + seed), columns, RHYTHM) for seed in range(STREAMS))
        allowed = STREAMS * LENGTH / RHYTHM / RHYTHMS_AN_ALARM
        print(
            f"simulated, rhythm {RHYTHM / memory:g} memories: {alarm_count} alarms of {allowed:.0f} allowed", flush=True
        )


def real(folder: Path, times: int) -> None:
    """Each channel with a rhythm of so many of its own memories."""
    for kind in SETS:
        alarm_count, streams, allowed = 0, 0, 0.0
        for _, rows in normal_rows(kind, folder):
            for column in rows.T:
                if len(column) < 2 or column.std() == 0:
                    continue
                rhythm = max(64, times * memory_of(column))
                if len(column) < 3 * rhythm:
                    continue
                alarm_count += alarms(column[:, None], reference(column[:, None]), rhythm)
                allowed += len(column) / rhythm / RHYTHMS_AN_ALARM
                streams += 1
        text = f"{kind}, rhythm {times} memories: {alarm_count} alarms of {allowed:.0f} allowed, {streams} channels"
        print(text, flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    simulated()
    if options.data is not None:
        real(options.data, 4)


if __name__ == "__main__":
    main()
