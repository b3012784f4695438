"""Costs and grids of decisions, as the options of `edgewright tune` write them."""

from __future__ import annotations

import math

from edgewright.cli.durations import seconds_of
from edgewright.schema.errors import InputError
from edgewright.workflows.tuning.grid import Grid
from edgewright.workflows.tuning.selection import Cost

_MOST = 1000


def read_cost(text: str) -> Cost:
    """'false-alarm=1,miss=20'.

    Raises:
        InputError: anything else, or a cost that is not above 0.
    """
    found = {"false-alarm": 1.0, "miss": 1.0}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if name not in found or not (0 < amount < math.inf):
            raise InputError("costs such as false-alarm=1,miss=20, each above 0", repr(part.strip()), "--cost")
        found[name] = amount
    return Cost(found["false-alarm"], found["miss"])


def grid_of(smoothing: str, debounce: str, refractory: str) -> Grid:
    """Return the grid with what was named of it.

    Raises:
        InputError: no number, or one that a decision cannot have.
    """
    usual = Grid()
    return Grid(
        smoothing=_counts(smoothing, "--smoothing") or usual.smoothing,
        debounce=_counts(debounce, "--debounce") or usual.debounce,
        refractory=tuple(seconds_of(part, "--refractory", zero=True) for part in refractory.split(",") if part)
        or usual.refractory,
    )


def _counts(text: str, where: str) -> tuple[int, ...]:
    made = []
    for part in text.split(","):
        if not part:
            continue
        if not part.strip().isdecimal() or not 1 <= int(part) <= _MOST:
            raise InputError(f"numbers of windows from 1 to {_MOST}", repr(part.strip()), where)
        made.append(int(part))
    return tuple(dict.fromkeys(made))
