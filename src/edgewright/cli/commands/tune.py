"""`edgewright tune`: thresholds, smoothing and debounce by what alarms and misses cost, into a new package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, listed, option
from edgewright.cli.output import print_json

if TYPE_CHECKING:
    from edgewright.workflows.tuning.request import TuningRequest


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
    as_json: bool = option("--json", help="Print the record as JSON.")


@declare(
    "tune", epilog="Example: edgewright tune runs/my-pipeline --data ward --alarm fall --cost false-alarm=1,miss=20"
)
def command(options: TuneOptions) -> None:
    """Choose how answers become alarms: trade false alarms a day against missed events.

    Whole recordings are answered window by window as on the device; every combination of smoothing, debounce, threshold
    and refractory time is evaluated with the device's own decision code. The cheapest point of the curve, or the one
    that --point or --alarms-per-day selects, goes into a new package in a new folder, with the curve (tune.json,
    tune.html). The old package does not change.
    """
    with loading():
        from edgewright.cli.lessons import show_blocks
        from edgewright.cli.listeners import Terminal, working
        from edgewright.trace.tuning_view import tuning_blocks
        from edgewright.workflows.tuning.workflow import tune

    done = tune(
        options.source,
        _request(options),
        out=options.out,
        data=options.data,
        kind=options.kind,
        target=options.target,
        group=options.group,
        listener=working(options.as_json),
    )
    if options.as_json:
        print_json(done.record)
        return
    show_blocks(Terminal(), tuning_blocks(done.record))
    click.echo(f"{click.format_filename(done.folder)}: {done.package.name}, tune.json, tune.html")


def _request(options: TuneOptions) -> TuningRequest:
    """Return what the options of the command ask for.

    Raises:
        InputError: an option that does not say what it should, or two that take another point each.
    """
    from edgewright.cli.durations import seconds_of
    from edgewright.cli.tuning_options import grid_of, read_cost
    from edgewright.workflows.tuning.request import TuningRequest

    return TuningRequest(
        cost=read_cost(options.cost),
        point=options.point,
        most=options.alarms_per_day,
        alarms=options.alarm,
        people=listed(options.people),
        tolerance=None if options.tolerance is None else seconds_of(options.tolerance, "--tolerance", zero=True),
        form=options.form,
        device=options.device,
        grid=grid_of(options.smoothing, options.debounce, options.refractory),
    )
