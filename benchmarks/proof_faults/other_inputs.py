"""Other inputs than those of a proof: a fault that no sample shows is run on many thousands of them, bit by bit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.proof_faults.pipelines import UTTERED
from edgewright.core.input.samples import Ranges
from edgewright.monitor.detector_stream import read_detector
from edgewright.monitor.forecaster import read_forecaster

# No seed of a proof.
_SEED = 20_261_128
_VALUES, _MIN, _MAX = 2_000_000, 1_500, 20_000
_ROWS, _TEXTS = 20_000, 4_000
_MISSING = (np.nan, np.inf, -np.inf)
_SIGNS = (
    *("", "?", "\u00e9", "\u0130", "\u1e9e", "\u05e9", "\u4e2d", "'", "-", "7:30", "2026-02-28"),
    *("100000", "0", "a" * 40),
)


@np.errstate(all="ignore")
def other_rows(samples: NDArray[np.float32], ranges: Ranges, values: Sequence[float]) -> NDArray[np.float32]:
    """Return rows of many kinds, shape (n, ...).

    The kinds: data with noise, other sizes, values on a coarse grid, constant channels, values and limits of the model,
    huge and tiny numbers, and missing ones.

    Args:
        samples: of the proof.
        ranges: declared of the columns.
        values: that the model compares with or clips to.
    """
    rng = np.random.default_rng(_SEED)
    count = int(np.clip(_VALUES // samples[0].size, _MIN, _MAX))
    data = np.where(np.isfinite(samples), samples, np.float32(0))
    axes = (0, *range(2, data.ndim))
    spread = data.std(axis=axes, keepdims=True) + np.float32(1e-6)
    rows = data[rng.integers(len(data), size=count)] + spread * rng.standard_normal((count, *data.shape[1:]))
    rows[::2] = data[rng.integers(len(data), size=len(rows[::2]))]
    whole = (count, *(1,) * (data.ndim - 1))
    rows = rows * rng.choice([1.0, 1.0, 1.0, 0.0, 1e-3, -1.0, 8.0, 1e4], whole)
    grid = np.broadcast_to(spread / 4, rows.shape)
    rows = np.where(rng.random(whole) < 0.2, np.round(rows / grid) * grid, rows)
    if data.ndim > 2:
        rows = np.where(rng.random((*rows.shape[:2], *whole[2:])) < 0.1, rows[:, :, :1], rows)
    limits = [np.float32(end) for _, *ends in ranges for end in ends if end is not None]
    pool = np.array([*values, *limits, 0.0, -0.0, 1e30, -1e30, 1e-40, 0.5, 1.0, 127.0, -128.0], np.float32)
    pool = np.concatenate([pool, np.nextafter(pool, np.float32(np.inf)), np.nextafter(pool, np.float32(-np.inf))])
    picked = rng.random(rows.shape) < rng.choice([0.0, 0.0, 0.02, 0.3, 1.0], whole)
    rows = np.where(picked, rng.choice(pool, rows.shape), rows)
    lost = rng.random(rows.shape) < rng.choice([0.0, 0.0, 0.0, 0.02, 0.3, 0.6], whole)
    return np.asarray(np.where(lost, rng.choice(_MISSING, rows.shape), rows), np.float32)


def other_bytes(size: int) -> NDArray[np.int8]:
    """Return bytes for a network, shape (n, size): drawn ones, ends and constant rows of every byte."""
    rng = np.random.default_rng(_SEED)
    count = int(np.clip(_VALUES // size, _MIN, _MAX))
    rows = rng.integers(-128, 128, (count, size))
    rows[::3] = rng.choice([-128, -127, -1, 0, 1, 126, 127], rows[::3].shape)
    rows[:256] = np.arange(-128, 128)[:, None]
    return rows.astype(np.int8)


def other_file(path: Path, folder: Path) -> Path:
    """Write other inputs for a detector, a forecaster or a language model to a file, once."""
    target = folder / f"{path.stem}.other.{'txt' if path.suffix == '.language' else 'csv'}"
    if target.exists():
        return target
    rng, chance = np.random.default_rng(_SEED), random.Random(_SEED)  # noqa: S311 - no secret
    if path.suffix == ".language":
        words = (*UTTERED, *_SIGNS)
        lines = [" ".join(chance.choice(words) for _ in range(chance.randrange(1, 14))) for _ in range(_TEXTS)]
    elif path.suffix == ".forecaster":
        forecaster = read_forecaster(path)
        values = forecaster.spec.model.centre + forecaster.spec.model.spread * _walk(rng, 1)[:, 0]
        lines = [forecaster.spec.column, *map(_cell, values)]
    else:
        columns = [column.name for column in read_detector(path).spec.columns]
        values = 20 + 10 * _walk(rng, len(columns))
        lines = [",".join(columns), *(",".join(map(_cell, row)) for row in values)]
    part = target.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.rename(target)
    return target


def _walk(rng: np.random.Generator, columns: int) -> NDArray[np.float64]:
    values = rng.standard_normal((_ROWS, columns)) * rng.choice([0.0, 0.1, 1.0, 1.0, 5.0, 1e3], (_ROWS, 1))
    values = np.where(rng.random((_ROWS, 1)) < 0.1, np.round(values), values)
    return np.where(rng.random(values.shape) < 0.03, np.nan, values)


def _cell(value: Any) -> str:  # noqa: ANN401 - a number of NumPy
    return "" if np.isnan(value) else f"{value:.6g}"
