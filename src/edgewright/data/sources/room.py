"""Simulator of office rooms: temperature, humidity, light and carbon dioxide, and whether somebody is there.

Nothing here is measured. People come in the morning, go for lunch and home, and some days nobody comes. They breathe,
so carbon dioxide rises and falls slowly behind them; they switch the lamp on, but forget it now and then, and the sun
is brighter than a lamp. No single reading tells who is there: light and carbon dioxide together do, mostly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ConfigError
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.contract import Source, SourceConfig

COLUMNS = (
    Column(name="temperature", unit="°C", minimum=-20.0, maximum=60.0),
    Column(name="humidity", unit="%", minimum=0.0, maximum=100.0),
    Column(name="light", unit="lx", minimum=0.0, maximum=10_000.0),
    Column(name="co2", unit="ppm", minimum=300.0, maximum=5_000.0),
)
STEP_S = 600.0
"""Seconds from one row to the next."""
_DAY = 24 * 3600 / STEP_S
# Share of its way to balance that carbon dioxide goes in a step, with ppm of each person and of air outside.
_EXCHANGE, _PPM_PERSON, _PPM_OUTSIDE = 0.14, 260.0, 420.0


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Office rooms.

    Attributes:
        rows: rows over all rooms, one every ten minutes; rooms get equally many (the first ones one more).
        rooms: how many rooms; each is a group of its own.
        forgotten: share of the evenings on which the lamp stays on.
    """

    rows: int = 9_600
    rooms: int = 24
    forgotten: float = 0.3


def _people(rng: np.random.Generator, hours: NDArray[np.float64], day: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how many people are there at each step, shape (steps,)."""
    days = int(day.max()) + 1
    come, leave = rng.normal(8.5, 0.7, days)[day], rng.normal(17.0, 0.9, days)[day]
    lunch = rng.normal(12.3, 0.3, days)[day]
    at_work = (rng.random(days) < 0.85)[day]
    there = at_work & (hours > come) & (hours < leave) & ~((hours > lunch) & (hours < lunch + 0.8))
    there &= rng.random(len(hours)) > 0.04
    return np.where(there, rng.integers(1, 4, days)[day], 0).astype(np.float64)


def _readings(config: Config, rng: np.random.Generator, steps: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return values (steps, columns) of one room, and whether somebody is there."""
    clock = np.arange(steps) + rng.integers(0, int(_DAY))
    hours, day = (clock % _DAY) * STEP_S / 3600, (clock // _DAY).astype(np.int64)
    people = _people(rng, hours, day)
    there = people > 0
    forgotten = (rng.random(int(day.max()) + 1) < config.forgotten)[day]
    lamp = np.where(there | (forgotten & (hours > 9)), rng.uniform(180, 320), 0.0)
    sun = (
        np.clip(np.sin((hours - 6.5) / 12 * np.pi), 0, None)
        * rng.uniform(60, 400, int(day.max()) + 1)[day]
        * rng.uniform(0.4, 1, steps)
    )
    co2 = np.empty(steps)
    level = _PPM_OUTSIDE + _PPM_PERSON * people[0]
    for step in range(steps):
        level += _EXCHANGE * (_PPM_OUTSIDE + _PPM_PERSON * people[step] - level)
        co2[step] = level
    warm = 20.0 + rng.normal(0, 0.8) + 1.5 * np.sin((hours - 9) / 12 * np.pi) + (co2 - _PPM_OUTSIDE) / 500
    damp = 38.0 + rng.normal(0, 4) + (co2 - _PPM_OUTSIDE) / 180
    parts = (warm + rng.normal(0, 0.2, steps), damp + rng.normal(0, 0.8, steps), sun + lamp + rng.normal(0, 6, steps),
             co2 + rng.normal(0, 25, steps))  # fmt: skip
    clipped = [np.clip(part, column.minimum, column.maximum) for part, column in zip(parts, COLUMNS, strict=True)]
    return np.stack(clipped, axis=1), there


def _load(config: Config, seed: int) -> DataSet:
    if config.rooms < 1 or config.rows < config.rooms:
        raise ConfigError("at least one row for each room", f"rows = {config.rows}, rooms = {config.rooms}", "data")
    if not 0 <= config.forgotten <= 1:
        raise ConfigError("a share of evenings from 0 to 1", f"forgotten = {config.forgotten}", "data")
    rng = np.random.default_rng([seed, 12])
    width = max(2, len(str(config.rooms)))
    recordings = []
    for number in range(config.rooms):
        rows = config.rows // config.rooms + (number < config.rows % config.rooms)
        values, there = _readings(config, rng, rows)
        name = f"room-{number + 1:0{width}d}"
        recordings.append(
            Recording(
                name=name, values=values.astype(np.float32), target=np.where(there, "yes", "no"),
                groups=np.full(rows, name), sessions=np.full(rows, f"{name}-1"),
                time=np.arange(rows, dtype=np.float64) * STEP_S,
            )
        )  # fmt: skip
    return DataSet(
        name="room", columns=COLUMNS, recordings=tuple(recordings), rate=1 / STEP_S, target_name="occupied",
        group_name="room", origin="simulated by edgewright.data.sources.room",
    )  # fmt: skip


SOURCE = Source(config=Config, load=_load, simulated=True)
