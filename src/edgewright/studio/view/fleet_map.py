"""A map of a rollout: its stages with their devices as dots, a dot for each device or for several of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edgewright.schema.fleet_watch import MapState, RolloutMap

MOST_DOTS = 1000
"""Dots of a map; of more devices each dot stands for 2, 5, 10, ... of them."""
CELL = 10
_COLUMNS = (12, 44)
STATES: Mapping[MapState, tuple[str, str]] = {
    "healthy": ("healthy", "h0"),
    "trial": ("trying it", "h0"),
    "allowed": ("may begin", "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0"),
    "failed": ("failed", "m-3-3l6 6m0-6l-6 6"),
    "silent": ("silent", "m-3-3h6v6h-6z"),
    "returned": ("rolled back", "m2-3l-4 3l4 3"),
    "waiting": ("waiting", "h0"),
}
"""Words of a state, and what is drawn around the middle of a cell; states differ in form and in colour."""


@dataclass(frozen=True)
class Mark:
    """Devices of one state: their number, and the path that draws them; empty in a legend."""

    state: MapState
    count: int
    path: str

    @property
    def text(self) -> str:
        """Number and state."""
        return f"{self.count:,} {STATES[self.state][0]}"


@dataclass(frozen=True)
class StageMap:
    """Dots of a stage; `width` and `height` in units of the drawing."""

    marks: tuple[Mark, ...]
    width: int
    height: int

    @property
    def label(self) -> str:
        """Return what the drawing shows, in words."""
        return ", ".join(mark.text for mark in self.marks) or "no device"


@dataclass(frozen=True)
class FleetMap:
    """A map: its stages, its legend, the devices that a dot stands for, and devices that are not on it."""

    stages: tuple[StageMap, ...]
    legend: tuple[Mark, ...]
    per_dot: int
    outside: int


def symbol(state: MapState) -> str:
    """Return the path of one dot."""
    return f"M5 5{STATES[state][1]}"


def draw_map(rollout_map: RolloutMap) -> FleetMap:
    """Return the map of a rollout; a state with any device has a dot at least."""
    total = sum(sum(stage.states.values()) for stage in rollout_map.stages)
    per_dot = dot_size(total)
    dots = [
        {state: -(-stage.states[state] // per_dot) for state in STATES if stage.states.get(state)}
        for stage in rollout_map.stages
    ]
    largest = max((sum(counts.values()) for counts in dots), default=1)
    columns = min(max(round(math.sqrt(1.6 * largest)), _COLUMNS[0]), _COLUMNS[1])
    stages = []
    for stage, counts in zip(rollout_map.stages, dots, strict=True):
        marks, begin = [], 0
        for state, count in counts.items():
            marks.append(Mark(state, stage.states[state], _path(state, begin, count, columns)))
            begin += count
        rows = max(1, -(-begin // columns))
        stages.append(StageMap(tuple(marks), CELL * columns, CELL * rows))
    sums = {state: sum(stage.states.get(state, 0) for stage in rollout_map.stages) for state in STATES}
    legend = tuple(Mark(state, count, "") for state, count in sums.items() if count)
    return FleetMap(tuple(stages), legend, per_dot, rollout_map.outside)


def dot_size(devices: int) -> int:
    """Return how many devices a dot stands for: 1, or 2 or 5 times a power of ten."""
    size, steps = 1, 0
    while -(-devices // size) > MOST_DOTS:
        steps += 1
        size = (1, 2, 5)[steps % 3] * 10 ** (steps // 3)
    return size


def _path(state: MapState, begin: int, count: int, columns: int) -> str:
    form = STATES[state][1]
    places = (divmod(number, columns) for number in range(begin, begin + count))
    return "".join(f"M{CELL * column + 5} {CELL * row + 5}{form}" for row, column in places)
