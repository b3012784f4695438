"""Rows that sensors could have measured, without a clock: motion, rooms and single measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from odd_files.shape import Draw, Sheet, Truth, Values

RATES_HZ = (50.0, 20.0, 100.0, 25.0, 40.0)
# Seconds that a person does one thing.
_STRETCH_S = 8.0


def motion(draw: Draw, rate_hz: float = 0.0, turns: int = 3, columns: int = 3) -> Sheet:
    """Return accelerations of something that moves by class, for some seconds each, in turns."""
    rate_hz = rate_hz or draw.take(*RATES_HZ)
    classes = draw.words.classes[: draw.take(2, 3, 4, 2, 3)]
    rows = round(_STRETCH_S * rate_hz)
    number = np.tile(np.repeat(np.arange(len(classes)), rows), turns)
    values = _waves(draw, number, rate_hz, columns)
    return _sheet(draw, draw.words.axes[:columns], values, np.array(classes)[number]).known(
        decision="window", rate_hz=(rate_hz,)
    )


def _waves(draw: Draw, number: NDArray[np.int64], rate_hz: float, columns: int) -> Values:
    seconds = np.arange(len(number)) / rate_hz
    phase = 2 * np.pi * (1.0 + 0.8 * number) * seconds
    waves = [(0.3 + 0.8 * number) * np.sin(phase + axis) + (9.81 if axis == 2 else 0.0) for axis in range(columns)]
    return np.stack(waves, axis=1) + draw.rng.normal(0, 0.05, (len(number), columns))


def room(draw: Draw, every_s: float, rows: int = 600) -> Sheet:
    """Return temperature, humidity and pressure of a room that is in one state for an hour or so."""
    words = draw.words
    states = words.states[: draw.take(2, 3)]
    number = np.repeat(np.arange(rows // 20) % len(states), 20)
    drift = np.cumsum(draw.rng.normal(0, 0.02, (rows, 3)), axis=0)
    base = np.array([21.0, 45.0, 1013.0]) + number[:, None] * np.array([2.5, 8.0, 0.4])
    names = (words.temperature, words.humidity, words.pressure)
    return _sheet(draw, names, base + drift, np.array(states)[number]).known(rate_hz=(1 / every_s,))


def spots(draw: Draw, rows: int = 0, columns: int = 4) -> Sheet:
    """Return measurements of things one by one, each of a class."""
    classes = draw.words.classes[: draw.take(2, 3, 4)]
    rows = rows or draw.take(240, 360, 300, 480, 420)
    number = draw.rng.integers(0, len(classes), rows)
    names = ("length", "width", "mass", "voltage", "current", "flow")[:columns]
    values = draw.rng.normal(0, 1.0, (rows, columns)) + number[:, None] * np.linspace(1, 2, columns) + 10.0
    return _sheet(draw, names, values, np.array(classes)[number])


def _sheet(draw: Draw, names: tuple[str, ...], values: Values, labels: Values) -> Sheet:
    values = np.round(values, 3)
    cells = {name: values[:, index].tolist() for index, name in enumerate(names)}
    label = draw.words.label
    return Sheet({**cells, label: labels.tolist()}, Truth(readings=names, values=values, target=label, y=labels))
