"""Simulator of a wearable in a room: twenty columns a second, people who differ, gaps and stuck sensors.

Nothing here is measured. The figures are chosen so that the usual troubles of body-worn sensors appear in a size
that a laptop trains on in seconds: a slow walker looks like somebody fidgeting on a chair, a brisk walker like a
jogger, the heart lags behind the legs, every device has an offset and a gain of its own, and half of the columns
say nothing about the activity. A model is judged on people it has not seen.

How a row comes about:
    1. Activities form a Markov chain; each lasts `dwell` seconds on average, and people prefer some changes.
    2. Each stretch has an effort of its own, so that two walks of one person differ.
    3. `_signals` turns activity and effort into readings, with the person's habits, gait and device.
    4. Sensors get stuck (they repeat a value for a while), then drop out in bursts; a sensor's columns go together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ConfigError
from edgewright.core.records.data import Column, DataSet, Labels, Recording
from edgewright.data.contract import Source, SourceConfig

Array = NDArray[np.float64]

ACTIVITIES = ("sitting", "walking", "running")

# name, unit, minimum, maximum, sensor. Informative: humidity (slowly), sound_level and temperature_trend (a little),
# the motion columns, step_rate, heart_rate, taps, minutes_since_input. The rest follows the person, not the activity.
_TABLE = (
    ("temperature", "°C", -20.0, 60.0, "thermometer"),
    ("temperature_trend", "°C/min", -10.0, 10.0, "thermometer"),
    ("humidity", "%", 0.0, 100.0, "hygrometer"),
    ("pressure", "hPa", 900.0, 1100.0, "barometer"),
    ("light", "lx", 0.0, 20000.0, "photodiode"),
    ("sound_level", "dB", 20.0, 120.0, "microphone"),
    ("motion_intensity", "g", 0.0, 8.0, "accelerometer"),
    ("acceleration_x", "g", -8.0, 8.0, "accelerometer"),
    ("acceleration_y", "g", -8.0, 8.0, "accelerometer"),
    ("acceleration_z", "g", -8.0, 8.0, "accelerometer"),
    ("acceleration_spread", "g", 0.0, 8.0, "accelerometer"),
    ("rotation_x", "°/s", -2000.0, 2000.0, "gyroscope"),
    ("rotation_y", "°/s", -2000.0, 2000.0, "gyroscope"),
    ("rotation_intensity", "°/s", 0.0, 2000.0, "gyroscope"),
    ("step_rate", "1/min", 0.0, 240.0, "pedometer"),
    ("heart_rate", "1/min", 30.0, 220.0, "pulse sensor"),
    ("battery", "%", 0.0, 100.0, "gauge"),
    ("taps", "1/min", 0.0, 300.0, "user log"),
    ("unlocks", "1/h", 0.0, 120.0, "user log"),
    ("minutes_since_input", "min", 0.0, 1440.0, "user log"),
)
COLUMNS = tuple(Column(name=n, unit=u, minimum=lo, maximum=hi) for n, u, lo, hi, _ in _TABLE)
SENSORS = tuple(sensor for *_, sensor in _TABLE)


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wearable in a room.

    Attributes:
        rows: rows over all people, one a second; people get equally many (the first ones one more).
        people: how many persons; each is a group of its own.
        dwell: mean seconds before the activity changes.
        missing: share of a sensor's readings lost in gaps of about 6 seconds.
        stuck: share of a sensor's readings that repeat an old value, about 15 seconds at a time.
        variety: how much people and their devices differ; 0 makes them all alike.
    """

    rows: int = 10_000
    people: int = 50
    dwell: float = 30.0
    missing: float = 0.03
    stuck: float = 0.01
    variety: float = 1.0


def _activities(rng: np.random.Generator, people: int, seconds: int, dwell: float) -> tuple[NDArray[np.int64], Array]:
    """Activity (people, seconds) as index into `ACTIVITIES`, and an effort drawn once for each stretch."""
    change = rng.random((people, seconds)) < 1.0 / dwell
    # From any activity two others can follow; a person's habit says which one is likelier.
    habit = rng.uniform(0.35, 0.65, (people, 1))
    step = np.where(rng.random((people, seconds)) < habit, 1, 2)
    activity = (rng.integers(0, 3, (people, 1)) + np.cumsum(change * step, axis=1)) % 3
    stretch = np.cumsum(change, axis=1, dtype=np.int64)
    effort = np.take_along_axis(rng.normal(size=(people, int(stretch.max()) + 1)), stretch, axis=1)
    return activity, effort


def _follow(target: Array, seconds: float) -> Array:
    """First-order lag along the last axis: y[t] = y[t-1] + (target[t] - y[t-1]) / seconds."""
    out = np.empty_like(target)
    state = target[:, 0]
    for t in range(target.shape[1]):
        state = state + (target[:, t] - state) / seconds
        out[:, t] = state
    return out


def _motion(rng: np.random.Generator, activity: NDArray[np.int64], effort: Array, variety: float) -> dict[str, Array]:
    """Return readings of accelerometer, gyroscope and pedometer, each (people, seconds)."""
    people = activity.shape[0]

    def person(spread: float) -> Array:
        return variety * spread * rng.normal(size=(people, 1))

    # Root mean square acceleration without gravity, in g, in the middle of each activity (sitting, walking, running).
    typical = np.log(np.array([0.035, 0.22, 0.62]))
    gait, fidget, stride = person(0.33), person(0.50), person(0.17)
    own = np.concatenate([fidget, gait, gait + stride], axis=1)
    level = typical[activity] + np.take_along_axis(own, activity, axis=1)
    level = level + np.array([0.75, 0.36, 0.30])[activity] * effort + 0.14 * rng.normal(size=activity.shape)
    body = np.exp(_follow(level, 1.6))
    gain, offset = np.exp(person(0.10)), np.abs(person(0.01))
    intensity = gain * body + offset

    pace = np.array([0.0, 108.0, 150.0])[activity] + np.array([0.0, 13.0, 12.0])[activity] * (effort + person(0.9))
    counted = np.where(activity == 0, 190.0 * np.maximum(body - 0.08, 0) * rng.random(activity.shape), pace)
    steps = _follow(counted, 4.0) + 9.0 * rng.normal(size=activity.shape) * (counted > 0)

    tilt = np.concatenate([person(0.35), person(0.35)], axis=1)
    roll = tilt[:, :1] + 0.5 * _follow(rng.normal(size=activity.shape), 8.0) + 0.25 * (activity == 0)
    pitch = tilt[:, 1:] + 0.5 * _follow(rng.normal(size=activity.shape), 8.0)
    wobble = 0.12 * intensity * rng.normal(size=(3, *activity.shape))
    turning = np.exp(person(0.35)) * 150.0 * body**0.7 * np.exp(0.28 * rng.normal(size=activity.shape))
    drift = 2.0 * person(1.0)
    return {
        "motion_intensity": intensity * np.exp(0.10 * rng.normal(size=activity.shape)),
        "acceleration_x": np.sin(pitch) + wobble[0],
        "acceleration_y": -np.sin(roll) * np.cos(pitch) + wobble[1],
        "acceleration_z": np.cos(roll) * np.cos(pitch) + wobble[2],
        "acceleration_spread": 0.8 * intensity * np.exp(0.22 * rng.normal(size=activity.shape)),
        "rotation_x": drift + 0.3 * turning * rng.normal(size=activity.shape),
        "rotation_y": -drift + 0.3 * turning * rng.normal(size=activity.shape),
        "rotation_intensity": turning,
        "step_rate": np.maximum(steps, 0.0),
    }


def _body_and_room(
    rng: np.random.Generator, activity: NDArray[np.int64], effort: Array, variety: float
) -> dict[str, Array]:
    """Return readings of everything that does not move with the arm, each (people, seconds)."""
    shape = activity.shape
    people, seconds = shape

    def person(spread: float) -> Array:
        return variety * spread * rng.normal(size=(people, 1))

    load = np.array([0.0, 0.32, 1.0])[activity] * np.exp(0.2 * effort)
    heart = 67.0 + person(9.0) + 62.0 * np.exp(person(0.2)) * _follow(load, 14.0) + 4.0 * rng.normal(size=shape)
    wander = _follow(rng.normal(size=shape), 40.0)
    skin = 31.5 + person(1.2) + _follow(1.1 * load - 0.9 * (activity == 1), 25.0) + 0.8 * wander
    trend = np.gradient(skin, axis=1) * 60.0 if seconds > 1 else np.zeros(shape)
    room = 420.0 * np.exp(person(0.8)) * np.exp(0.5 * wander + 0.25 * rng.normal(size=shape))
    tapping = np.exp(person(0.5)) * np.array([9.0, 3.0, 0.8])[activity]
    taps = rng.poisson(np.where(rng.random(shape) < 0.35, tapping * 3.0, tapping * 0.1)).astype(np.float64)
    idle = np.array([2.0, 5.0, 11.0])[activity] * np.exp(person(0.6))
    drain = rng.uniform(0.002, 0.006, (people, 1)) * np.arange(seconds)
    return {
        "temperature": skin,
        "temperature_trend": trend + 0.25 * rng.normal(size=shape),
        "humidity": 46.0 + person(7.0) + 9.0 * _follow(load, 45.0) + rng.normal(size=shape),
        "pressure": 1008.0 + person(6.0) + 0.1 * rng.normal(size=shape),
        "light": room,
        "sound_level": 46.0 + person(5.0) + 7.0 * np.sqrt(load) + 4.0 * rng.normal(size=shape),
        "heart_rate": heart,
        "battery": np.round(rng.uniform(35.0, 100.0, (people, 1)) - drain, 1),
        "taps": taps,
        "unlocks": np.repeat(rng.poisson(4.0 * np.exp(person(0.5))).astype(np.float64), seconds, axis=1),
        "minutes_since_input": np.where(taps > 0, 0.0, rng.exponential(1.0, shape) * idle),
    }


def _bursts(rng: np.random.Generator, shape: tuple[int, int], share: float, length: float) -> NDArray[np.bool_]:
    """Return bursts of geometric length along the last axis that cover `share` of it on average.

    Starts are a Poisson process, so the covered share is 1 - exp(-starts a second * mean length); the rate of starts
    is solved from that. Bursts that began before the first second are drawn as well.
    """
    before = int(8 * length)
    starts = rng.random((shape[0], before + shape[1])) < -np.log1p(-share) / length
    row, start = np.nonzero(starts)
    stop = np.minimum(start + rng.geometric(1.0 / length, start.size), starts.shape[1])
    edges = np.zeros((shape[0], starts.shape[1] + 1), dtype=np.int64)
    np.add.at(edges, (row, start), 1)
    np.add.at(edges, (row, stop), -1)
    covered: NDArray[np.bool_] = np.cumsum(edges, axis=1)[:, before:-1] > 0
    return covered


def _faults(rng: np.random.Generator, values: Array, config: Config) -> None:
    """Make sensors stick and drop out, in place; `values` has shape (people, seconds, columns)."""
    people, seconds, _ = values.shape
    for sensor in dict.fromkeys(SENSORS):
        columns = [i for i, s in enumerate(SENSORS) if s == sensor]
        stuck = _bursts(rng, (people, seconds), config.stuck, 15.0)
        stuck[:, 0] = False  # nothing to repeat yet
        last = np.maximum.accumulate(np.where(stuck, 0, np.arange(seconds)), axis=1)
        lost = _bursts(rng, (people, seconds), config.missing, 6.0)
        for c in columns:
            values[:, :, c] = np.take_along_axis(values[:, :, c], last, axis=1)
            values[:, :, c][lost] = np.nan


def _load(config: Config, seed: int) -> DataSet:
    if config.people < 1 or config.rows < config.people:
        raise ConfigError("at least one row for each person", f"rows = {config.rows}, people = {config.people}", "data")
    if not (0 <= config.missing < 1 and 0 <= config.stuck < 1):
        got = f"missing = {config.missing}, stuck = {config.stuck}"
        raise ConfigError("shares from 0 to below 1", got, "data.missing, data.stuck")
    if config.dwell < 1 or config.variety < 0:
        got = f"{config.dwell}, {config.variety}"
        raise ConfigError("dwell of at least 1 second and variety of at least 0", got, "data")
    rng = np.random.default_rng([seed, 20])
    people, seconds = config.people, -(-config.rows // config.people)
    activity, effort = _activities(rng, people, seconds, config.dwell)
    readings = _motion(rng, activity, effort, config.variety)
    readings |= _body_and_room(rng, activity, effort, config.variety)
    values = np.stack([np.clip(readings[c.name], c.minimum, c.maximum) for c in COLUMNS], axis=2)
    _faults(rng, values, config)
    labels = np.array(ACTIVITIES)[activity]
    width = max(2, len(str(people)))
    recordings = []
    for p in range(people):
        # When rows do not divide evenly, the first people keep one second more.
        n = config.rows // people + (p < config.rows % people)
        name = f"person-{p + 1:0{width}d}"
        group: Labels = np.full(n, name)
        recordings.append(
            Recording(
                name=name,
                values=values[p, :n].astype(np.float32),
                target=labels[p, :n],
                groups=group,
                sessions=np.full(n, f"{name}-session-1"),
                time=np.arange(n, dtype=np.float64),
            )
        )
    return DataSet(
        name="wearable",
        columns=COLUMNS,
        recordings=tuple(recordings),
        rate=1.0,
        target_name="activity",
        group_name="person",
        origin="simulated by edgewright.data.sources.wearable",
    )


SOURCE = Source(config=Config, load=_load, simulated=True)
