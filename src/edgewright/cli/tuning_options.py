"""What `edgewright tune` is told: costs and what is tried."""

from __future__ import annotations

import math

from edgewright.cli.drift_input import seconds_of
from edgewright.schema.errors import InputError
from edgewright.workflows.tuning.grid import Grid
from edgewright.workflows.tuning.request import TuningRequest
from edgewright.workflows.tuning.selection import Cost

_MOST = 1000


def read_asked(
    *,
    cost: str,
    point: int | None,
    alarms_per_day: float | None,
    alarm: tuple[str, ...],
    people: str,
    tolerance: str | None,
    smoothing: str,
    debounce: str,
    refractory: str,
    form: str | None,
    device: str,
) -> TuningRequest:
    """What the options of the command ask for.

    Raises:
        InputError: an option that does not say what it should, or two that take another point each.
    """
    return TuningRequest(
        cost=read_cost(cost),
        point=point,
        most=alarms_per_day,
        alarms=alarm,
        people=tuple(name.strip() for name in people.split(",") if name.strip()),
        tolerance=None if tolerance is None else seconds_of(tolerance, "--tolerance", zero=True),
        form=form,
        device=device,
        grid=grid_of(smoothing, debounce, refractory),
    )


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
    """The grid with what was named of it.

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
