"""Find anomalies in streams and windows: fit, run and score a detector."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
import msgspec

from edgewright.cli.command import BadRows, Result, Stream, argument, declare, json_line, option, print_ahead
from edgewright.cli.options import FILE, refuse_existing, settings_of
from edgewright.cli.text import describe
from edgewright.core.errors import (
    DONE,
    ColumnMissingError,
    DetectorError,
    OptionFormatError,
    OptionsConflictError,
)

if TYPE_CHECKING:
    from edgewright.monitor.detector_stream import DetectorFile
    from edgewright.workflows.detection.fit import Fitted

EXAMPLE = "fit pump.csv --time time --out pump.detector"


def opened(path: Path) -> DetectorFile:
    """Return the detector of a file, or the only one of a package or run folder.

    Raises:
        InputError: no detector, or more than one in a package.
    """
    from edgewright.core.package import read_package
    from edgewright.core.predictor import package_path
    from edgewright.monitor.detector_stream import IN_PACKAGE, detectors_in, parse_detector, read_detector

    if not path.is_dir() and path.suffix != ".edge":
        return read_detector(path)
    package = package_path(path)
    inside = detectors_in(read_package(package).files)
    detectors = {IN_PACKAGE.format(name=name): inside[name] for name in sorted(inside)}
    if len(detectors) != 1:
        do = "Add one with: edgewright detect fit ROWS --package PACKAGE --into NEW.edge" if not detectors else ""
        raise DetectorError("one detector in the package", ", ".join(detectors) or "none", str(package), do)
    ((name, content),) = detectors.items()
    return parse_detector(content, f"{package.name}, {name}")


def answers(detector: DetectorFile, source: Path | TextIO, name: str) -> Iterator[dict[str, Any]]:
    """One answer a row or window, as JSON knows it.

    Raises:
        InputError: a column that is not there, a time that is none, or rows at another rate than those it learnt from.
    """
    import numpy as np

    from edgewright.core.clocks.reader import ClockReader, refuse_missing
    from edgewright.core.clocks.units import RateGuard, unit_spelled
    from edgewright.core.csv.rows import iter_csv
    from edgewright.monitor.detector_stream import Watch
    from edgewright.monitor.detectors import kind

    spec = detector.spec
    wanted = [column.name for column in spec.columns]
    text = [spec.time] if spec.time else []
    watch, lines, seen = Watch(detector), [0], 0
    clock: ClockReader | None = None
    # Rows that are judged alone may come at any rate.
    alone = spec.window is None and kind(spec.kind).windows
    guard, last = RateGuard(None if alone else spec.rate, spec.time, name), math.nan
    report = None if isinstance(source, Path) else BadRows()
    for chunk in iter_csv(
        source, name=name, time_columns=text, only_columns=[*wanted, *text], report=report, trained=spec.columns
    ):
        absent = [c for c in [*wanted, *text] if c not in (*chunk.names, *chunk.text)]
        if absent:
            raise ColumnMissingError(f"the columns {', '.join([*wanted, *text])}", f"no {', '.join(absent)}", name)
        values = chunk.values[:, [chunk.names.index(c) for c in wanted]]
        if spec.time:
            location = lambda row, lines=chunk.lines: f"{name} line {int(lines[row])}"  # noqa: E731
            clock = clock or ClockReader(
                spec.time, unit_spelled(chunk.header.units.get(spec.time, "")) or spec.time_unit
            )
            time = clock.seconds(chunk.text[spec.time].tolist())
            refuse_missing(time, chunk.text[spec.time], spec.time, location)
            guard.push(np.diff(time, prepend=last))
            last = float(time[-1]) if len(time) else last
        else:
            time = np.arange(seen, seen + len(values)) / spec.rate if spec.rate else np.full(len(values), np.nan)
        lines = list(chunk.lines)
        for scored_row in watch.push(values, time):
            answer: dict[str, Any] = {"place": f"line {int(lines[scored_row.row - seen])}"}
            if not math.isnan(scored_row.time):
                answer["time"] = scored_row.time
            answer["score"] = None if math.isnan(scored_row.score) else float(f"{scored_row.score:.6g}")
            answer.update(odd=scored_row.odd, alarm=scored_row.alarm)
            answer["channel"] = wanted[scored_row.channel] if scored_row.channel >= 0 else None
            yield answer
        seen += len(values)


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
    threshold: float | None = option(help="Set the threshold itself.")
    refractory: str = option(
        default="0", metavar="ROWS|5%", show_default=False,
        help="Rows after an alarm without a further alarm, or a share of the rows seen.",
    )  # fmt: skip
    force: bool = option(help="Replace a file of this name.")


@declare(example="pump.csv --time time --target fault --out pump.detector")
def fit(options: FitOptions) -> Result:
    """Fit a detector on DATA: a file, a folder, or a run folder with its own data and windows.

    The rows count as mostly normal. With --target, rows labelled odd are not learnt from, and the threshold is the one
    with the best F1 of events. Without it, the threshold is the lowest that keeps to --false-alarms on rows that the
    detector was not fitted on. `auto` compares all detectors on held-out parts in time, by labels or by injected
    anomalies, and takes the smallest whose score is not significantly below the best; for one column without labels it
    takes `own_past`, which goes on from these rows.
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
        raise DetectorError("--package RUN|PACKAGE to put the detector into", "none", "--into")
    window = None
    if options.window:
        window = (options.window, options.step or max(1, options.window // 2))
    usual, columns = _usual_time(options)
    time = options.time or usual
    same = ("kind", "target", "time_unit", "ignore", "columns", "normal", "package")
    watched = read_watched(options.data, window=window, time=time, **{name: getattr(options, name) for name in same})
    request = ThresholdRequest(
        refractory=_refractory(options.refractory),
        **{name: getattr(options, name) for name in ("false_alarms", "threshold")},
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
    caveat = "the F1 is of events of the training rows, so it is too high" if record["fitted_on"] else ""
    return Result(record, [*describe(record), *filter(None, (caveat, columns))])


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
        raise OptionFormatError("a number of rows, or 0.1% to 99.9% of the rows seen", repr(text), "--refractory")
    return value


def _usual_time(options: FitOptions) -> tuple[str, str]:
    """Return the column of times of a file of rows, empty where none is found, and what the others were taken for."""
    from edgewright.data.table_proposal import propose_table

    if not Path(options.data).is_file() or options.data.endswith(".edge"):
        return "", ""
    named = {key: getattr(options, key) for key in ("target", "ignore", "time", "time_unit")}
    proposed = propose_table(options.data, named, options.kind, texts=False, kept=options.columns, constants=True)
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


@declare(
    example="pump.detector --csv new.csv --alarms",
    view=lambda answer: [json_line(answer)],
    json="Accepted for consistency; the output is always JSON lines.",
)
def run(
    *,
    file: Path = argument(metavar="FILE.detector|PACKAGE"),
    standard_input: str | None = argument(metavar="[-]", required=False, type=click.Choice(["-"])),
    csv_path: str | None = option(
        "--csv", metavar="FILE", help="CSV file with the detector's columns ('-': standard input)."
    ),
    alarms: bool = option(help="Print only rows that begin an alarm."),
) -> Stream:
    """Score rows with a detector, offline, with the base install: one JSON line per row (or window).

    `score` is null while the detector is learning; `odd` says whether it reached the threshold, `alarm` whether an
    alarm begins, `channel` which column contributed most.
    """
    if bool(standard_input) == bool(csv_path):
        raise OptionsConflictError(
            "either --csv FILE or -", "both" if standard_input else "neither", "edgewright detect run"
        )
    detector = opened(file)
    path = Path(str(csv_path)) if csv_path and csv_path != "-" else None
    for answer in answers(detector, path or sys.stdin, "standard input" if path is None else path.name):
        if answer["alarm"] or not alarms:
            yield answer
    return DONE
