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
from edgewright.core.errors import OptionFormatError

if TYPE_CHECKING:
    from edgewright.workflows.tuning.selection import Cost


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """Options of the command."""

    source: Path = argument(metavar="RUN|PACKAGE")
    data: str | None = option(
        metavar="RECORDINGS", help="Recordings with labels. [default: the run's validation people]"
    )
    cost: str = option(default="false-alarm=1,miss=1", help="Cost of one false alarm, and of one missed event.")
    alarm: tuple[str, ...] = option(metavar="LABEL", help="Label that is an alarm; may be repeated.")
    people: str = option(metavar="A,B", help="Only these people (groups, or recordings without groups).")
    kind: str = option(
        help="Kind of source or public set of the recordings; the run's own, or detected from the path, by default."
    )
    target: str = option(help="Column with the labels, if the run does not name it.")
    group: str = option(help="Column with the person or machine, if the run does not name it.")
    out: Path | None = option(help="New folder. [default: RUN-tuned, the next free number]")


@declare(example="runs/my-pipeline --data ward --alarm fall --cost false-alarm=1,miss=20", spreads=True)
def command(options: TuneOptions) -> Result:
    """Choose how answers become alarms: trade false alarms a day against missed events.

    Whole recordings are answered window by window as on the device; every combination of smoothing, debounce, threshold
    and refractory time is evaluated with the device's own decision code. The cheapest point of the curve goes into a
    new package in a new folder, with the curve (tune.json). The old package does not change.
    """
    with loading():
        from edgewright.cli.listeners import working
        from edgewright.workflows.tuning.document import tuning_blocks
        from edgewright.workflows.tuning.workflow import TuningRequest, tune

    request = TuningRequest(cost=_cost(options.cost), alarms=options.alarm, people=listed(options.people))
    done = tune(
        options.source, request, out=options.out, data=options.data, kind=options.kind, target=options.target,
        group=options.group, listener=working(),
    )  # fmt: skip
    files = f"{click.format_filename(done.folder)}: {done.package.name}, tune.json"
    return Result(done.record, [*tuning_blocks(done.record), files])


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
            raise OptionFormatError("costs such as false-alarm=1,miss=20, each above 0", repr(part.strip()), "--cost")
        costs[name] = amount
    return Cost(costs["false-alarm"], costs["miss"])
