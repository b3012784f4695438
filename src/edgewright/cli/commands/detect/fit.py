"""`edgewright detect fit`: a detector from rows, named or chosen by measured skill."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, print_ahead
from edgewright.cli.options import FILE, refuse_existing, settings_of
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.workflows.detection.fit import Fitted


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Options of the command."""

    data: str = argument(metavar="DATA|RUN")
    detector: str = option(default="auto", metavar="NAME", help="A detector, or auto.")
    out: Path = option(type=FILE, required=True, help="FILE.detector.")
    target: str = option(metavar="LABEL", help="Column that says which rows are odd.")
    normal: tuple[str, ...] = option(metavar="LABEL", help="Label of normal rows; may be repeated. [default: 0, ok]")
    time: str = option(help="Column with the time of a row.")
    time_unit: str = option(metavar="UNIT", help="Unit of a time in numbers: s, ms, us, ns, min, h, or d for days.")
    columns: tuple[str, ...] = option("--column", metavar="NAME", help="Column to watch; may be repeated.")
    ignore: tuple[str, ...] = option(metavar="COLUMN", help="Column to leave out; may be repeated.")
    kind: str = option(help="Kind of source or public set; detected from the path by default.")
    package: str = option(metavar="RUN|PACKAGE", help="Use the columns and windows of this package.")
    into: Path | None = option(type=FILE, help="Also write --package with the detector in it: NEW.edge.")
    window: int | None = option(
        type=click.IntRange(min=2), help="Rows in a window; the detector then sees features of the window."
    )
    step: int | None = option(
        type=click.IntRange(min=1), help="Rows from one window to the next. [default: half a window]"
    )
    settings: tuple[str, ...] = option("--set", metavar="KEY=VALUE", help="Setting of the detector; may be repeated.")
    false_alarms: float = option(
        type=click.FloatRange(min=0), default=1.0,
        help="Acceptable false alarms a day, or in 1,000 rows if no time is known.",
    )  # fmt: skip
    quantile: float | None = option(help="Set the threshold to this quantile of the training scores.")
    margin: float = option(default=1.0, help="Factor to apply to that quantile.")
    threshold: float | None = option(help="Set the threshold itself.")
    refractory: str = option(
        default="0", metavar="ROWS|5%", show_default=False,
        help="Rows after an alarm without a further alarm, or a share of the rows seen.",
    )  # fmt: skip
    force: bool = option(help="Replace a file of this name.")


@declare(example="pump.csv --time time --target fault --out pump.detector")
def command(options: FitOptions) -> Result:
    """Fit a detector on DATA: a file, a folder, or a run folder with its own data and windows.

    The rows count as mostly normal. With --target, rows labelled odd are not learnt from, and the threshold is the one
    with the best F1 of events. Without it, the threshold is the lowest that keeps to --false-alarms on rows that the
    detector was not fitted on. `auto` compares all detectors on held-out parts in time, by labels or by injected
    anomalies, and takes the smallest whose score is not significantly below the best.
    """
    from edgewright.core.package import read_package, write_package
    from edgewright.core.predictor import package_path
    from edgewright.monitor.detector_stream import IN_PACKAGE, write_detector
    from edgewright.workflows.detection.fit import fit_detector
    from edgewright.workflows.detection.rows import read_watched
    from edgewright.workflows.detection.selection import choose
    from edgewright.workflows.detection.threshold import ThresholdRequest

    out = options.out
    for path in filter(None, (out, options.into)):
        refuse_existing(path, options.force)
    if options.into is not None and not options.package:
        raise InputError("--package RUN|PACKAGE to put the detector into", "none", "--into")
    window = None
    if options.window:
        window = (options.window, options.step or max(1, options.window // 2))
    usual, columns = _usual_time(options)
    time = options.time or usual
    same = ("kind", "target", "time_unit", "ignore", "columns", "normal", "package")
    watched = read_watched(options.data, window=window, time=time, **{name: getattr(options, name) for name in same})
    request = ThresholdRequest(
        refractory=_refractory(options.refractory),
        **{name: getattr(options, name) for name in ("false_alarms", "quantile", "margin", "threshold")},
    )
    choice = choose(watched, request, print_ahead) if options.detector == "auto" else None
    name = options.detector if choice is None else choice.candidates[0].kind
    config = settings_of(options.settings)
    fitted = fit_detector(watched, name, config=config, request=request, time=time, choice=choice)
    size = write_detector(out, fitted.spec, fitted.learnt)
    if options.into is not None:
        whole = read_package(package_path(options.package))
        inside = IN_PACKAGE.format(name=out.name.split(".")[0])
        write_package(options.into, whole.manifest, {**whole.files, inside: out.read_bytes()})
    record = _summary(fitted, out, size)
    return Result(record, [*_lines(record, fitted), *filter(None, [columns])])


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


def _usual_time(options: FitOptions) -> tuple[str, str]:
    """Return the column of times of a file of rows, empty where none is found, and what the others were taken for."""
    from edgewright.data.table_proposal import propose_table

    if not Path(options.data).is_file() or options.data.endswith(".edge"):
        return "", ""
    named = {key: getattr(options, key) for key in ("target", "ignore", "time", "time_unit")}
    proposed = propose_table(options.data, named, options.kind, texts=False, kept=options.columns)
    return proposed.roles.time, proposed.sentence


def _summary(fitted: Fitted, out: Path, size: int) -> dict[str, Any]:
    """Return what was fitted, as JSON has it."""
    spec = msgspec.to_builtins(fitted.spec)
    limits = fitted.f1()
    events = sum(c.detected + c.missed for c in fitted.counts)
    expected = {"events": events, "f1": limits[0], "low": limits[1], "high": limits[2]} if events else None
    keys = ("kind", "config", "window", "rate", "rows", "threshold", "refractory", "choice")
    return {
        "file": str(out), "bytes": size, **{key: spec[key] for key in keys},
        "columns": [column.name for column in fitted.spec.columns],
        "learnt_bytes": fitted.learnt_bytes, "state_bytes": fitted.state_bytes, "fitted_on": expected,
    }  # fmt: skip


def _lines(record: dict[str, Any], fitted: Fitted) -> Iterator[str]:
    choice, limit = fitted.spec.choice, fitted.spec.threshold
    if choice is not None:
        yield f"compared by {choice.measure}"
        for candidate in choice.candidates:
            text = (
                f"left out: {candidate.why}"
                if candidate.why
                else f"F1 {candidate.skill:.2f} ({candidate.low:.2f} to {candidate.high:.2f})"
            )
            yield f"  {candidate.kind:<18} {text}{'' if candidate.why else f', {candidate.bytes:,} bytes'}"
        yield choice.reason
    watched = "windows" if fitted.spec.window else "rows"
    yield f"{record['kind']} on {record['rows']:,} {watched} of {', '.join(record['columns'][:12])}"
    how = {"quantile": f"quantile {limit.quantile:.5g} of scores", "labels": "best F1 of events", "given": "given"}
    per = "a day" if limit.per == "day" else f"in 1,000 {watched}"
    yield f"  threshold {limit.value:.4g} ({how[limit.by]}); false alarms there: {limit.false_alarms:.3g} {per}"
    if record["fitted_on"]:
        subject = record["fitted_on"]
        span = f"{subject['f1']:.2f} ({subject['low']:.2f} to {subject['high']:.2f})"
        yield f"  events F1 {span} on {subject['events']} events of its training rows, so the score is too high"
    yield f"  learnt {record['learnt_bytes']:,} bytes, state {record['state_bytes']:,} bytes a stream"
    yield f"  wrote {click.format_filename(record['file'])}, {record['bytes']:,} bytes"
