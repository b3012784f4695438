"""Simulator of a mixing plant: twenty columns, quality that hangs on products of columns, as many rows as wanted.

Nothing here is measured. Four kinds of structure make the data answer one question: when does a larger network pay?
    1. A few columns act on their own (any model finds them).
    2. Pairs act together (temperature only harms when the stirrer is slow): polynomial features of degree 2 show them.
    3. Ripples and products of three columns remain, which need both a large network and many rows.
    4. Noise sets a ceiling for every model.

Batches differ: raw material shifts the columns of a whole batch, so a model is judged on batches it has not seen.
Every batch is drawn from a generator of its own, seeded by (seed, batch): the first 10,000 rows of a plant with
1,000,000 rows are the rows of a plant with 10,000, and memory beside the result stays that of one chunk.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ConfigError
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.contract import Source, SourceConfig

# name, unit, mean, spread, minimum, maximum; the spread is one standard deviation of the simulated reading.
_TABLE = (
    ("reactor_temperature", "°C", 82.0, 3.0, 0.0, 200.0),
    ("stirrer_speed", "1/min", 240.0, 22.0, 0.0, 600.0),
    ("feed_rate", "kg/h", 130.0, 9.0, 0.0, 300.0),
    ("catalyst", "g/kg", 4.0, 0.5, 0.0, 10.0),
    ("acidity", "pH", 6.4, 0.3, 0.0, 14.0),
    ("viscosity", "mPa s", 310.0, 28.0, 0.0, 1000.0),
    ("reactor_pressure", "bar", 3.2, 0.25, 0.0, 10.0),
    ("water_content", "%", 12.0, 1.2, 0.0, 100.0),
    ("dwell_time", "min", 41.0, 4.0, 0.0, 120.0),
    ("particle_size", "µm", 55.0, 6.0, 0.0, 500.0),
    ("jacket_temperature", "°C", 64.0, 4.0, 0.0, 200.0),
    ("cooling_flow", "l/min", 52.0, 5.0, 0.0, 200.0),
    ("drive_current", "A", 21.0, 1.8, 0.0, 80.0),
    ("oxygen", "%", 2.1, 0.3, 0.0, 21.0),
    ("conductivity", "mS/cm", 8.3, 0.9, 0.0, 50.0),
    ("density", "kg/m³", 1040.0, 12.0, 500.0, 2000.0),
    ("turbidity", "NTU", 18.0, 3.0, 0.0, 200.0),
    ("hall_temperature", "°C", 21.0, 2.0, -20.0, 60.0),
    ("hall_humidity", "%", 47.0, 6.0, 0.0, 100.0),
    ("filter_age", "h", 160.0, 40.0, 0.0, 1000.0),
)
COLUMNS = tuple(Column(name=n, unit=u, minimum=lo, maximum=hi) for n, u, _, _, lo, hi in _TABLE)
_MEAN = np.array([row[2] for row in _TABLE])
_SPREAD = np.array([row[3] for row in _TABLE])
_RANGE = (np.array([row[4] for row in _TABLE]), np.array([row[5] for row in _TABLE]))
_CHUNK = 100  # batches turned into readings at once


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mixing plant.

    Attributes:
        rows: rows over all batches.
        batch_rows: rows a batch; each batch is a group of its own, the last one may be shorter.
        variety: how much batches differ; 0 makes them all alike.
        noise: spread of the inspector's judgement around the true quality; 0 makes quality a function of the row.
        pairs: weight of the products of two columns.
        ripples: weight of what needs more than products of two columns.
    """

    rows: int = 10_000
    batch_rows: int = 100
    variety: float = 1.0
    noise: float = 1.0
    pairs: float = 1.0
    ripples: float = 1.0


def _score(z: NDArray[np.float64], config: Config) -> NDArray[np.float64]:
    """Return the true quality, shape (n,), of rows of standard readings (n, 20); above zero is good."""
    alone = 0.9 * z[:, 0] - 0.7 * z[:, 3] + 0.5 * z[:, 7]
    pairs = 1.1 * z[:, 0] * z[:, 1] - 0.9 * z[:, 2] * z[:, 4] + 0.7 * z[:, 5] * z[:, 6] - 0.6 * (z[:, 8] ** 2 - 1.0)
    threes = 0.35 * z[:, 1] * z[:, 3] * z[:, 9]
    waves = 0.5 * np.sin(2.2 * z[:, 2] + 1.1 * z[:, 10]) + 0.45 * np.sin(1.8 * z[:, 6] - 1.4 * z[:, 11])
    score: NDArray[np.float64] = alone + config.pairs * pairs + config.ripples * (threes + waves)
    return score


def _batch(seed: int, batch: int, config: Config) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return standard readings (batch_rows, 20) and judgement noise (batch_rows,) of one batch."""
    rng = np.random.default_rng([seed, 30, batch])
    shift = 0.5 * config.variety * rng.normal(size=len(COLUMNS))
    z = shift + np.sqrt(0.75) * rng.normal(size=(config.batch_rows, len(COLUMNS)))
    return z, 0.25 * config.noise * rng.normal(size=config.batch_rows)


def _load(config: Config, seed: int) -> DataSet:
    if config.rows < 1 or config.batch_rows < 1:
        raise ConfigError("at least one row", f"rows = {config.rows}, batch_rows = {config.batch_rows}", "data")
    if config.variety < 0 or config.noise < 0:
        raise ConfigError("variety and noise of at least 0", f"{config.variety}, {config.noise}", "data")
    batches = -(-config.rows // config.batch_rows)
    total = batches * config.batch_rows
    values = np.empty((total, len(COLUMNS)), dtype=np.float32)
    good = np.empty(total, dtype=np.bool_)
    for first in range(0, batches, _CHUNK):
        parts = [_batch(seed, b, config) for b in range(first, min(first + _CHUNK, batches))]
        z = np.concatenate([readings for readings, _ in parts])
        at = slice(first * config.batch_rows, first * config.batch_rows + len(z))
        # The sensors report what the inspector sees; clipping touches readings beyond the declared range only.
        values[at] = np.clip(_MEAN + _SPREAD * z, *_RANGE)
        good[at] = _score(z, config) + np.concatenate([noise for _, noise in parts]) > 0
    width = max(3, len(str(batches)))
    names = np.array([f"batch-{b + 1:0{width}d}" for b in range(batches)])
    groups = np.repeat(names, config.batch_rows)[: config.rows]
    recording = Recording(
        name="plant",
        values=values[: config.rows],
        target=np.where(good[: config.rows], "good", "bad"),
        groups=groups,
        sessions=groups,
    )
    return DataSet(
        name="plant",
        columns=COLUMNS,
        recordings=(recording,),
        target_name="quality",
        group_name="batch",
        origin="simulated by edgewright.data.sources.plant",
    )


SOURCE = Source(config=Config, load=_load, simulated=True)
