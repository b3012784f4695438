"""`lane`: own speed, and gap and speed of whoever drives ahead in each lane, from rows of other vehicles.

Rows as highway-env's `Kinematics` gives them, neither normalised nor absolute: presence, x, y, vx, vy; the first row is
the own vehicle.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.jobs.simulation.perceptions import Around, Perception

COLUMNS = ("speed", "gap", "lead", "left_gap", "left_lead", "right_gap", "right_lead")
# Metres: of a vehicle, of a lane, how close sideways counts as being in the own lane, and a gap where nobody is seen.
_LENGTH, _LANE, _SAME_LANE, FREE = 5.0, 4.0, 3.0, 200.0
# Gaps in metres from which somebody cuts in.
_CUT_IN = (2.0, 15.0)


def _columns(observation: NDArray[Any]) -> tuple[str, ...]:
    del observation
    return COLUMNS


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


def _around(environment: Any) -> Around:  # noqa: ANN401 - of highway-env
    own, lanes = environment.vehicle, len(environment.road.network.all_side_lanes(environment.vehicle.lane_index))
    others = (vehicle.position - own.position for vehicle in environment.road.vehicles if vehicle is not own)
    return Around(
        lanes, int(own.lane_index[2]), _LANE, tuple((round(float(x), 1), round(float(y), 1)) for x, y in others)
    )


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


PERCEPTION = Perception(_columns, _read, _prepare, _around, _rule, _cut_in)
