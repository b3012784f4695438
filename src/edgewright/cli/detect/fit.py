"""`edgewright detect fit`: a detector from rows, named or chosen by measured skill."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.options import FILE, refuse_existing, settings_of
from edgewright.cli.output import print_ahead, print_json
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.workflows.detection.fit import Fitted


@click.command("fit", epilog="Example: edgewright detect fit pump.csv --time time --target fault --out pump.detector")
@click.argument("data", metavar="DATA|RUN")
@click.option("--detector", default="auto", show_default=True, metavar="NAME", help="A detector, or auto.")
@click.option("--out", type=FILE, required=True, help="FILE.detector.")
@click.option("--target", default="", metavar="LABEL", help="Column that says which rows are odd.")
@click.option(
    "--normal", multiple=True, metavar="LABEL", help="Label of normal rows; may be repeated. [default: 0, ok]"
)
@click.option("--time", default="", help="Column with the time of a row.")
@click.option(
    "--time-unit", default="", metavar="UNIT", help="Unit of a time in numbers: s, ms, us, ns, min, h, or d for days."
)
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Column to watch; may be repeated.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Column to leave out; may be repeated.")
@click.option("--kind", default="", help="Kind of source or public set; detected from the path by default.")
@click.option("--package", default="", metavar="RUN|PACKAGE", help="Use the columns and windows of this package.")
@click.option("--into", type=FILE, help="Also write --package with the detector in it: NEW.edge.")
@click.option(
    "--window", type=click.IntRange(min=2), help="Rows in a window; the detector then sees features of the window."
)
@click.option("--step", type=click.IntRange(min=1), help="Rows from one window to the next. [default: half a window]")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Setting of the detector; may be repeated.")
@click.option("--false-alarms", type=click.FloatRange(min=0), default=1.0, show_default=True,
              help="Acceptable false alarms a day, or in 1,000 rows if no time is known.")  # fmt: skip
@click.option("--quantile", type=float, help="Set the threshold to this quantile of the training scores.")
@click.option("--margin", type=float, default=1.0, show_default=True, help="Factor to apply to that quantile.")
@click.option("--threshold", type=float, help="Set the threshold itself.")
@click.option("--refractory", default="0", metavar="ROWS|5%",
              help="Rows after an alarm without a further alarm, or a share of the rows seen.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(data: str, detector: str, out: Path, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's options
    """Fit a detector on DATA: a file, a folder, or a run folder with its own data and windows.

    The rows count as mostly normal. With --target, rows labelled odd are not learnt from, and the threshold is the one
    with the best F1 of events. Without it, the threshold is the lowest that keeps to --false-alarms on rows that the
    detector was not fitted on. `auto` compares all detectors on held-out parts in time, by labels or by injected
    anomalies, and takes the smallest whose score is not significantly below the best.
    """
    from edgewright.core.package import read_package, write_package
    from edgewright.core.predictor import package_path
    from edgewright.monitor.detector_file import IN_PACKAGE, write_detector
    from edgewright.workflows.detection.fit import fit_detector
    from edgewright.workflows.detection.rows import read_watched
    from edgewright.workflows.detection.selection import choose
    from edgewright.workflows.detection.threshold import ThresholdRequest

    refuse_existing(out, options["force"])
    if options["into"] is not None:
        refuse_existing(options["into"], options["force"])
        if not options["package"]:
            raise InputError("--package RUN|PACKAGE to put the detector into", "none", "--into")
    window = None
    if options["window"]:
        window = (options["window"], options["step"] or max(1, options["window"] // 2))
    usual, columns = _usual_time(data, options)
    options["time"] = options["time"] or usual
    watched = read_watched(
        data,
        window=window,
        **{k: options[k] for k in ("kind", "target", "time", "time_unit", "ignore", "columns", "normal", "package")},
    )
    options["refractory"] = _refractory(options["refractory"])
    request = ThresholdRequest(
        **{k: options[k] for k in ("false_alarms", "quantile", "margin", "threshold", "refractory")}
    )
    ahead = (lambda _: None) if as_json else print_ahead
    choice = choose(watched, request, ahead) if detector == "auto" else None
    name = detector if choice is None else choice.tried[0].kind
    config = settings_of(options["settings"])
    made = fit_detector(watched, name, config=config, request=request, time=options["time"], choice=choice)
    size = write_detector(out, made.spec, made.learnt)
    if options["into"] is not None:
        whole = read_package(package_path(options["package"]))
        inside = IN_PACKAGE.format(name=out.name.split(".")[0])
        write_package(options["into"], whole.manifest, {**whole.files, inside: out.read_bytes()})
    record = _told(made, out, size)
    if as_json:
        print_json(record)
        return
    _print(record, made)
    if columns:
        click.echo(columns)


def _refractory(text: str) -> float:
    """Return rows after an alarm without another: '150', or '5%' of the rows seen as a share below 1.

    Raises:
        InputError: anything else.
    """
    share = text.strip().endswith("%")
    try:
        value = float(text.strip().removesuffix("%")) / (100 if share else 1)
    except ValueError:
        value = math.nan
    if not (0.001 <= value < 1 if share else 0 <= value <= 1 << 31 and value.is_integer()):
        raise InputError("a number of rows, or 0.1% to 99.9% of the rows seen", repr(text), "--refractory")
    return value


def _usual_time(data: str, options: dict[str, Any]) -> tuple[str, str]:
    """Return the column of times of a file of rows, empty where none is found, and what the others were taken for."""
    from edgewright.data.table_proposal import propose_table

    if not Path(data).is_file() or data.endswith(".edge"):
        return "", ""
    named = {key: options[key] for key in ("target", "ignore", "time", "time_unit")}
    proposed = propose_table(data, named, options["kind"], texts=False, kept=options["columns"])
    return proposed.roles.time, proposed.sentence


def _told(made: Fitted, out: Path, size: int) -> dict[str, Any]:
    """Return what was fitted, as JSON has it."""
    spec = msgspec.to_builtins(made.spec)
    limits = made.f1()
    events = sum(c.found + c.missed for c in made.counts)
    judged = {"events": events, "f1": limits[0], "low": limits[1], "high": limits[2]} if events else None
    keys = ("kind", "config", "window", "rate", "rows", "threshold", "refractory", "choice")
    return {
        "file": str(out), "bytes": size, **{key: spec[key] for key in keys},
        "columns": [column.name for column in made.spec.columns],
        "learnt_bytes": made.learnt_bytes, "state_bytes": made.state_bytes, "fitted_on": judged,
    }  # fmt: skip


def _print(record: dict[str, Any], made: Fitted) -> None:
    choice, limit = made.spec.choice, made.spec.threshold
    if choice is not None:
        click.echo(f"compared by {choice.measure}")
        for one in choice.tried:
            text = f"left out: {one.why}" if one.why else f"F1 {one.skill:.2f} ({one.low:.2f} to {one.high:.2f})"
            click.echo(f"  {one.kind:<18} {text}{'' if one.why else f', {one.bytes:,} bytes'}")
        click.echo(choice.reason)
    watched = "windows" if made.spec.window else "rows"
    click.echo(f"{record['kind']} on {record['rows']:,} {watched} of {', '.join(record['columns'][:12])}")
    how = {"quantile": f"quantile {limit.quantile:.5g} of scores", "labels": "best F1 of events", "given": "given"}
    per = "a day" if limit.per == "day" else f"in 1,000 {watched}"
    click.echo(f"  threshold {limit.value:.4g} ({how[limit.by]}); false alarms there: {limit.false_alarms:.3g} {per}")
    if record["fitted_on"]:
        held = record["fitted_on"]
        span = f"{held['f1']:.2f} ({held['low']:.2f} to {held['high']:.2f})"
        click.echo(f"  events F1 {span} on {held['events']} events of its training rows, so the score is too high")
    click.echo(f"  learnt {record['learnt_bytes']:,} bytes, state {record['state_bytes']:,} bytes a stream")
    click.echo(f"  wrote {click.format_filename(record['file'])}, {record['bytes']:,} bytes")
