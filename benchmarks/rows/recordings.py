"""Seeded recordings of people with a sensor of motion on the wrist: six channels at 100 Hz, five activities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from edgewright.core.input.riff import wav_bytes

RATE, CHANNELS = 100, ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
ACTIVITIES = ("rest", "desk", "walk", "stairs", "run")
# Of each activity: steps a second, strength of a step, tilt of the sensor. People differ from it.
_LAW = np.array([[0.3, 0.02, 1.2], [0.8, 0.06, 0.4], [1.8, 0.35, 0.0], [1.6, 0.4, 0.15], [2.6, 0.9, 0.1]])
# Rows of a person, which are one file, and of a stretch of one activity, at least and at most.
PERSON_ROWS, _STRETCH = 50_000, (800, 3000)
_NOISE, FULL_SCALE = 0.08, 8.0


def person(seed: int, number: int, rows: int) -> tuple[NDArray[np.float32], list[tuple[int, int, str]]]:
    """Return the readings of a person, shape (rows, channels), and the stretches (first row, row behind, activity)."""
    rng = np.random.default_rng((seed, number))
    own = np.exp(rng.normal(scale=(0.12, 0.3), size=2))
    lean, phases, mix = rng.normal(scale=0.25), rng.uniform(0, 2 * np.pi, 6), np.exp(rng.normal(scale=0.3, size=6))
    readings = np.empty((rows, len(CHANNELS)), np.float32)
    stretches, start = [], 0
    while start < rows:
        end = min(rows, start + int(rng.integers(*_STRETCH)))
        kind = int(rng.integers(len(ACTIVITIES)))
        pace, strength, tilt = _LAW[kind] * (*own * np.exp(rng.normal(scale=0.1, size=2)), 1.0)
        tilt += lean + rng.normal(scale=0.2)
        steps = 2 * np.pi * pace / RATE * np.arange(end - start)[:, None] + phases
        waves = strength * mix * (np.sin(steps) + 0.4 * np.sin(2 * steps + 1.0))
        waves[:, :3] += (np.sin(tilt), 0.0, np.cos(tilt))
        readings[start:end] = waves + _NOISE * rng.normal(size=waves.shape)
        stretches.append((start, end, ACTIVITIES[kind]))
        start = end
    return readings.round(4), stretches


def write(folder: Path, rows: int, seed: int, kind: str) -> None:
    """Write recordings into a new folder, one file a person.

    Args:
        folder: that is made.
        rows: of all people together.
        seed: of everything drawn.
        kind: 'parquet' or 'csv' with columns of time, activity and person, or 'wav' beside a file of labels.
    """
    folder.mkdir()
    marks = ["file,start,end,label,group"]
    for number, count in enumerate(_shares(rows)):
        readings, stretches = person(seed, number, count)
        name = f"part-{number:04}.{kind}"
        if kind == "wav":
            (folder / name).write_bytes(wav_bytes(readings / FULL_SCALE, RATE))
            marks += [
                f"{name},{first / RATE:.2f},{end / RATE:.2f},{label},p{number:04}" for first, end, label in stretches
            ]
            continue
        labels = np.repeat([label for *_, label in stretches], [end - first for first, end, _ in stretches])
        columns = {channel: readings[:, index] for index, channel in enumerate(CHANNELS)}
        time = (np.arange(count) / RATE).round(2)
        frame = pl.DataFrame({"time": time, **columns, "activity": labels}).with_columns(person=pl.lit(f"p{number:04}"))
        (frame.write_csv if kind == "csv" else frame.write_parquet)(folder / name)
    if kind == "wav":
        (folder / "labels.csv").write_text("\n".join(marks) + "\n")


def _shares(rows: int) -> Iterator[int]:
    while rows > 0:
        yield min(rows, PERSON_ROWS)
        rows -= PERSON_ROWS
