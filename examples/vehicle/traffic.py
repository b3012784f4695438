"""Simulated traffic of highway-env: a car that stays in its lane, its view of the traffic, and a lidar at its bumper.

Observations are rows of vehicles as highway-env's `Kinematics` gives them, neither normalised nor absolute: presence,
x, y, vx, vy; the first row is the car itself, whose motion the others' are relative to.
"""

from __future__ import annotations

import importlib
import os
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
COLUMNS = ("speed", "gap", "lead", "left_gap", "left_lead", "right_gap", "right_lead")
# Metres: of a vehicle, of a lane, how close sideways counts as being in the own lane, and a gap where nobody is seen.
_LENGTH, _LANE, _SAME_LANE, FREE = 5.0, 4.0, 3.0, 200.0
# Gaps in metres from which somebody cuts in.
_CUT_IN = (2.0, 15.0)
# Metres: how far it sees, half of a vehicle's length and width, a lane, and what is told sideways of a lane's middle.
REACH, _LONG, _WIDE, _LANE, _ASIDE = 120.0, 2.5, 1.0, 4.0, 8.0
# Shares of beams that return nothing, nearby and from the furthest; noise of a range in metres, and of it, and in m/s.
_LOST, _LOST_FAR, _NOISE, _NOISE_FAR, _RATE_NOISE = 0.02, 0.2, 0.1, 0.002, 0.2
BEAMS = 64
_angles = np.radians(3.0 * np.sinh(4.1 * np.linspace(-1, 1, BEAMS)))
_WAYS = np.stack([np.cos(_angles), np.sin(_angles)])
LANES = (0.0, -_LANE, _LANE)


class Traffic:
    """The environment of environment.toml.

    Args:
        condition: one of its conditions of traffic; as its options say when empty.

    Attributes:
        actions: by number, the most careful one first.
        period: seconds between two decisions.
        observation: the newest one, rows of vehicles.
    """

    def __init__(self, condition: str = "") -> None:
        table = tomllib.loads((Path(__file__).parent / "environment.toml").read_text(encoding="utf-8"))
        self.actions, self.period = tuple(table["actions"]), float(table["period"])
        config = {**table["options"]["config"], **(table["conditions"][condition] if condition else {})}
        # No window is opened.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        gymnasium = importlib.import_module("gymnasium")
        importlib.import_module("highway_env")
        self.env = gymnasium.make(table["id"], config=config)
        _prepare(self.env.unwrapped)
        self.observation = self.env.reset(seed=0)[0]

    def reset(self, seed: int) -> Array:
        """Begin the episode of a seed; return the values of `COLUMNS`."""
        self.observation = self.env.reset(seed=seed)[0]
        return _read(self.observation, self.period)

    def step(self, action: int) -> tuple[Array, bool, bool]:
        """Act; return the values of `COLUMNS`, whether a collision ended the episode, and whether it ended."""
        self.observation, _, terminated, truncated, _ = self.env.step(action)
        return _read(self.observation, self.period), bool(terminated), bool(terminated or truncated)

    def give_to_rule(self) -> None:
        """Let highway-env's own driver have the car until the episode ends; actions do nothing."""
        _rule(self.env.unwrapped)

    def cut_in(self) -> bool:
        """Send a vehicle close ahead in another lane into the car's lane; return whether there was one."""
        return _cut_in(self.env.unwrapped)


def scan(rows: NDArray[Any], draw: np.random.Generator, scale: float = 1.0) -> Array:
    """Return one turn of the lidar: metres ahead, metres to the right, m/s away from it; shape (3, beams).

    A beam without a return ends at the reach, and moves nowhere.

    Args:
        rows: presence, x, y, vx, vy; the first row is the own vehicle, whose motion the others' are relative to.
        draw: of noise and lost returns.
        scale: by which each range is told too long, of a sensor that is calibrated wrongly.
    """
    others = rows[1:][rows[1:, 0] > 0].astype(np.float64)
    ranges, rates = np.full(BEAMS, np.inf), np.zeros(BEAMS)
    if len(others):
        distances = _distances(others, rows[0, 3:5])
        first = distances.argmin(0)
        ranges, rates = distances.min(0), (others[first, 3:5] * _WAYS.T).sum(1)
    share = np.minimum(ranges / REACH, 1.0)
    seen = (ranges < REACH) & (draw.random(BEAMS) > _LOST + _LOST_FAR * share**2)
    noise = draw.normal(0, 1, (2, BEAMS))
    ranges = np.where(seen, scale * (ranges + noise[0] * (_NOISE + _NOISE_FAR * np.where(seen, ranges, 0.0))), REACH)
    return np.stack([*(ranges * _WAYS), np.where(seen, rates + noise[1] * _RATE_NOISE, 0.0)])


def _distances(others: Array, own: Array) -> Array:
    """Return how far each beam runs to the box of each vehicle, shape (vehicles, beams); infinite past it."""
    heading = np.arctan2(others[:, 4] + own[1], others[:, 3] + own[0])
    turn = np.stack([np.cos(heading), np.sin(heading)])
    x, y = others[:, 1] - _LONG, others[:, 2]
    near, far = np.full((len(others), BEAMS), -np.inf), np.full((len(others), BEAMS), np.inf)
    for half, (a, b) in ((_LONG, (turn[0], turn[1])), (_WIDE, (-turn[1], turn[0]))):
        with np.errstate(divide="ignore", invalid="ignore"):
            way = a[:, None] * _WAYS[0] + b[:, None] * _WAYS[1]
            middle = (x * a + y * b)[:, None]
            ends = (middle - half) / way, (middle + half) / way
        near, far = np.fmax(near, np.fmin(*ends)), np.fmin(far, np.fmax(*ends))
    return np.where((near <= far) & (far > 0), np.maximum(near, 0.0), np.inf)


def of_lane(turn: Array, lane: float) -> NDArray[np.float32]:
    """Return a turn as a network is asked about a lane, so many metres to the right: sideways from its middle."""
    aside = np.where(turn[0] ** 2 + turn[1] ** 2 < 0.998 * REACH**2, turn[1] - lane, _ASIDE)
    return np.stack([turn[0], aside.clip(-_ASIDE, _ASIDE), turn[2]]).astype(np.float32)


def _read(observation: NDArray[Any], period: float) -> NDArray[np.float64]:
    rows = np.asarray(observation, np.float64)
    speed, others = float(rows[0, 3]), rows[1:][rows[1:, 0] > 0]
    numbers = [speed]
    for side in (0.0, -_LANE, _LANE):
        aside = np.abs(others[:, 2] - side)
        # Whoever moves over counts as soon as the next decision would find it there.
        aside = np.minimum(aside, np.abs(others[:, 2] + others[:, 4] * period - side))
        ahead = others[(aside < _SAME_LANE) & (others[:, 1] > 0)]
        if len(ahead):
            first = ahead[np.argmin(ahead[:, 1])]
            numbers += [max(0.0, float(first[1]) - _LENGTH), speed + float(first[3])]
        else:
            numbers += [FREE, speed]
    return np.array(numbers)


def _prepare(environment: Any) -> None:  # noqa: ANN401 - of highway-env
    """Let highway-env fill its rows without pandas, which takes three fifths of a step."""
    if hasattr(environment, "define_spaces"):
        environment.define_spaces = partial(_define, environment, environment.define_spaces)


def _define(environment: Any, define: Callable[[], None]) -> None:  # noqa: ANN401 - of highway-env
    """Each reset makes the observation anew."""
    define()
    # highway-env 1.12 reads the range of speeds of continuous actions alone: others would drive backwards by braking.
    environment.action_type.speed_range = environment.config["action"].get("speed_range")
    kind = environment.observation_type
    if type(kind).__name__ == "KinematicObservation" and not (kind.normalize or kind.absolute):
        kind.observe = partial(rows_of, kind)


def rows_of(kind: Any) -> NDArray[Any]:  # noqa: ANN401 - `KinematicObservation` of highway-env
    """Return what `KinematicObservation.observe` gives, relative to the observer and not normalised."""
    own, environment = kind.observer_vehicle, kind.env
    near = environment.road.close_objects_to(
        own, environment.PERCEPTION_DISTANCE, count=kind.vehicles_count - 1, see_behind=kind.see_behind,
        sort=kind.order == "sorted", vehicles_only=not kind.include_obstacles,
    )  # fmt: skip
    table = np.zeros((kind.vehicles_count, 5), kind.space().dtype)
    table[0] = 1, *own.position, *own.velocity
    for row, other in zip(table[1:], near, strict=False):
        row[:] = 1, *(other.position - own.position), *(other.velocity - own.velocity)
    return table


def _rule(environment: Any) -> None:  # noqa: ANN401 - of highway-env
    """Let highway-env's driver have the car: IDM and MOBIL, which wants the limit of the road and may change lanes."""
    behavior = importlib.import_module("highway_env.vehicle.behavior")
    own, road = environment.vehicle, environment.road
    driver = behavior.IDMVehicle(road, own.position, own.heading, own.speed, target_speed=own.lane.speed_limit)
    road.vehicles[road.vehicles.index(own)] = environment.vehicle = driver


def _cut_in(environment: Any) -> bool:  # noqa: ANN401 - of highway-env
    own = environment.vehicle
    for other in environment.road.vehicles:
        gap = other.position[0] - own.position[0] - _LENGTH
        if other.lane_index != own.lane_index and _CUT_IN[0] <= gap <= _CUT_IN[1]:
            other.target_lane_index = own.lane_index
            return True
    return False
