"""`edgewright tune`: thresholds, smoothing and debounce by what alarms and misses cost, into a new package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


@click.command(
    "tune", epilog="Example: edgewright tune runs/my-pipeline --data ward --alarm fall --cost false-alarm=1,miss=20"
)
@click.argument("source", metavar="RUN|PACKAGE", type=click.Path(path_type=Path))
@click.option("--data", metavar="RECORDINGS", help="Whole recordings with labels; the run's validation people without.")
@click.option("--cost", default="false-alarm=1,miss=1", show_default=True, help="Of one false alarm, one missed event.")
@click.option("--point", type=click.IntRange(min=1), metavar="N",
              help="Take this point of the curve, by its number, instead of the cheapest.")  # fmt: skip
@click.option("--alarms-per-day", type=click.FloatRange(min=0), metavar="X",
              help="Take the point that misses least with at most so many false alarms.")  # fmt: skip
@click.option("--alarm", multiple=True, metavar="LABEL", help="Label that calls for somebody; may be repeated.")
@click.option("--people", default="", metavar="A,B", help="Only these people (groups, or recordings without groups).")
@click.option("--tolerance", metavar="5s", help="Time after an event in which an alarm is right; a window without.")
@click.option("--smoothing", default="", metavar="1,3,8", help="Windows to average that are tried.")
@click.option("--debounce", default="", metavar="1,2", help="Windows that must agree, tried.")
@click.option("--refractory", default="", metavar="0,30s", help="Times without a further alarm, tried.")
@click.option("--kind", default="", help="Source or public set of the recordings; the run's own, or by the path.")
@click.option("--target", default="", help="Column of the labels, where the run does not say it.")
@click.option("--group", default="", help="Column of the person or machine, where the run does not say it.")
@click.option("--form", metavar="NAME", help="float or int8; the package's default when left out.")
@click.option("--device", default="", metavar="PROFILE", help="Device whose memory the smoothing must fit.")
@click.option("--out", type=click.Path(path_type=Path), help="New folder. [default: RUN-tuned, the next free number]")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(
    source: Path,
    data: str | None,
    kind: str,
    target: str,
    group: str,
    out: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's options
) -> None:
    """Choose how answers become alarms, by false alarms a day and missed events.

    Whole recordings are answered window by window as on the device; every combination of smoothing, debounce, threshold
    and refractory time is tried with the decider that runs there. The cheapest point of the curve, or the one that
    --point or --alarms-per-day takes, goes into a new package in a new folder, with the curve (tune.json, tune.html).
    The old package stays as it is.
    """
    from edgewright.cli.interrupt import loading

    with loading():
        import msgspec

        from edgewright.cli.lessons import show_blocks
        from edgewright.cli.progress import Working
        from edgewright.cli.show import Quiet
        from edgewright.cli.terminal import Terminal
        from edgewright.cli.tuning_options import read_asked
        from edgewright.trace.tuning_view import tuning_blocks
        from edgewright.workflows.tuning.workflow import tune

    console = Terminal()
    done = tune(
        source,
        read_asked(**options),
        out=out,
        data=data,
        kind=kind,
        target=target,
        group=group,
        listener=Quiet() if as_json else Working(console),
    )
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(done.record), indent=1) + b"\n")
        sys.stdout.buffer.flush()
        return
    show_blocks(console, tuning_blocks(done.record))
    click.echo(f"{click.format_filename(done.folder)}: {done.package.name}, tune.json, tune.html")


COMMAND = command
