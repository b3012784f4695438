"""`edgewright tune`: thresholds, smoothing and debounce by what alarms and misses cost, into a new package."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import listed
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.workflows.tuning.grid import Grid
    from edgewright.workflows.tuning.selection import Cost
    from edgewright.workflows.tuning.workflow import TuningRequest

_MAX_COUNT = 1000


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """Options of the command."""

    source: Path = argument(metavar="RUN|PACKAGE")
    data: str | None = option(
        metavar="RECORDINGS", help="Recordings with labels. [default: the run's validation people]"
    )
    cost: str = option(default="false-alarm=1,miss=1", help="Cost of one false alarm, and of one missed event.")
    point: int | None = option(
        type=click.IntRange(min=1), metavar="N", help="Take point N of the curve instead of the cheapest."
    )
    alarms_per_day: float | None = option(
        type=click.FloatRange(min=0),
        metavar="X",
        help="Take the point with the fewest missed events at this rate of false alarms.",
    )
    alarm: tuple[str, ...] = option(metavar="LABEL", help="Label that is an alarm; may be repeated.")
    people: str = option(metavar="A,B", help="Only these people (groups, or recordings without groups).")
    tolerance: str | None = option(
        metavar="5s", help="Time after an event in which an alarm still counts. [default: a window]"
    )
    smoothing: str = option(metavar="1,3,8", help="Numbers of windows to average.")
    debounce: str = option(metavar="1,2", help="Numbers of windows that must agree.")
    refractory: str = option(metavar="0,30s", help="Times after an alarm without a further alarm.")
    kind: str = option(
        help="Kind of source or public set of the recordings; the run's own, or detected from the path, by default."
    )
    target: str = option(help="Column with the labels, if the run does not name it.")
    group: str = option(help="Column with the person or machine, if the run does not name it.")
    form: str | None = option(metavar="NAME", help="float or int8; the package's default form by default.")
    device: str = option(metavar="PROFILE", help="Device whose memory limits the smoothing.")
    out: Path | None = option(help="New folder. [default: RUN-tuned, the next free number]")


@declare(example="runs/my-pipeline --data ward --alarm fall --cost false-alarm=1,miss=20", spreads=True)
def command(options: TuneOptions) -> Result:
    """Choose how answers become alarms: trade false alarms a day against missed events.

    Whole recordings are answered window by window as on the device; every combination of smoothing, debounce, threshold
    and refractory time is evaluated with the device's own decision code. The cheapest point of the curve, or the one
    that --point or --alarms-per-day selects, goes into a new package in a new folder, with the curve (tune.json,
    tune.html). The old package does not change.
    """
    with loading():
        from edgewright.cli.listeners import working
        from edgewright.workflows.tuning.document import tuning_blocks
        from edgewright.workflows.tuning.workflow import tune

    done = tune(
        options.source,
        _request(options),
        out=options.out,
        data=options.data,
        kind=options.kind,
        target=options.target,
        group=options.group,
        listener=working(),
    )
    files = f"{click.format_filename(done.folder)}: {done.package.name}, tune.json, tune.html"
    return Result(done.record, [*tuning_blocks(done.record), files])


def _request(options: TuneOptions) -> TuningRequest:
    """Return what the options of the command ask for.

    Raises:
        InputError: an option that does not say what it should, or two that take another point each.
    """
    from edgewright.cli.options import seconds_of
    from edgewright.workflows.tuning.workflow import TuningRequest

    return TuningRequest(
        cost=_cost(options.cost),
        point=options.point,
        maximum=options.alarms_per_day,
        alarms=options.alarm,
        people=listed(options.people),
        tolerance=None if options.tolerance is None else seconds_of(options.tolerance, "--tolerance", zero=True),
        form=options.form,
        device=options.device,
        grid=_grid(options.smoothing, options.debounce, options.refractory),
    )


def _cost(text: str) -> Cost:
    """'false-alarm=1,miss=20'.

    Raises:
        InputError: anything else, or a cost that is not above 0.
    """
    from edgewright.workflows.tuning.selection import Cost

    costs = {"false-alarm": 1.0, "miss": 1.0}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if name not in costs or not (0 < amount < math.inf):
            raise InputError("costs such as false-alarm=1,miss=20, each above 0", repr(part.strip()), "--cost")
        costs[name] = amount
    return Cost(costs["false-alarm"], costs["miss"])


def _grid(smoothing: str, debounce: str, refractory: str) -> Grid:
    """Return the grid with what was named of it.

    Raises:
        InputError: no number, or one that a decision cannot have.
    """
    from edgewright.cli.options import seconds_of
    from edgewright.workflows.tuning.grid import Grid

    usual = Grid()
    return Grid(
        smoothing=_counts(smoothing, "--smoothing") or usual.smoothing,
        debounce=_counts(debounce, "--debounce") or usual.debounce,
        refractory=tuple(seconds_of(part, "--refractory", zero=True) for part in refractory.split(",") if part)
        or usual.refractory,
    )


def _counts(text: str, where: str) -> tuple[int, ...]:
    counts = []
    for part in text.split(","):
        if not part:
            continue
        if not part.strip().isdecimal() or not 1 <= int(part) <= _MAX_COUNT:
            raise InputError(f"numbers of windows from 1 to {_MAX_COUNT}", repr(part.strip()), where)
        counts.append(int(part))
    return tuple(dict.fromkeys(counts))
