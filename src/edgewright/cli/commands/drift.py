"""`edgewright drift`: which channel of a stream is no longer as it was in training, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, Stream, argument, declare, option
from edgewright.cli.options import FILE
from edgewright.cli.text import table
from edgewright.core.errors import CHECK_SAID_NO, DONE, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.core.records.device import Event
    from edgewright.monitor.drift.stream_monitor import DriftWatch


@dataclass(frozen=True, kw_only=True)
class DriftOptions:
    """Options of the command."""

    model: str = argument(metavar="RUN|PACKAGE")
    csv: str = option(required=True, metavar="FILE", help="CSV file with the package's columns ('-': stdin).")
    time: str = option(
        help="Column with the time, in seconds or as dates; by default, rows come at the package's rate."
    )
    rhythm: str = option(
        default="1h",
        help="Period after which the stream has shown its usual behaviour: 30min, 1d (or rows, if no rate is known).",
    )
    false_alarms: float = option(default=1 / 7, show_default="1 a week", help="Acceptable false alarms a day.")
    confidence: bool = option(help="Also predict, and watch the confidence of the answers.")
    state: Path | None = option(
        type=FILE,
        metavar="FILE",
        help="File to resume from, and to save the state to.",
    )


@declare(
    example="runs/activity --csv month.csv --rhythm 1d --state drift.bin",
    json="Print JSON: one line per event as it happens, then one per channel.",
)
def command(options: DriftOptions) -> Stream:
    """Compare a stream with the reference statistics in a package, channel by channel.

    Blocks of an eighth of --rhythm are compared with the training data: mean, deviation, shape (population stability
    index), values never seen in training, and missing values. ADWIN and Page-Hinkley also watch for a change within the
    stream. An accelerometer and a gyroscope are compared by gravity instead. The last line lists what this model cannot
    notice. Exits with 1 if a channel drifts.
    """
    from edgewright.cli.drift_input import answered_rows, rows_of
    from edgewright.cli.options import seconds_of
    from edgewright.core.files import write_atomic
    from edgewright.core.predictor import load
    from edgewright.monitor.drift.stream_monitor import DriftConfig, unnoticed, watch_of
    from edgewright.trace.sentences.facts import unnoticed_text

    predictor, state = load(options.model), options.state
    config = DriftConfig(rhythm=seconds_of(options.rhythm, "--rhythm"), false_alarms=options.false_alarms)
    watch = watch_of(predictor.manifest, config)
    if state is not None and state.exists():
        try:
            watch.restore(state.read_bytes())
        except InputError as error:
            do = error.do or "Pass a file from an earlier `edgewright drift --state`, or a new one"
            raise InputError(
                error.expected, error.got, f"--state {click.format_filename(state)}", do, code=error.code
            ) from None
    predict = answered_rows(predictor, watch) if options.confidence else None
    events: list[Event] = []
    for values, times, cells in rows_of(options.csv, predictor.manifest, options.time, watch):
        if predict is not None:
            predict(values, cells)
        for event in watch.push(values, times):
            events.append(event)
            yield Result(event, (), compact=True)  # people read the events below the channels
    if state is not None:
        write_atomic(state, watch.state())
    rows, missed = _rows(watch), unnoticed(predictor.manifest)
    for row in rows:
        yield Result(row, (), compact=True)
    yield Result({"unnoticed": list(missed)}, (), compact=True)
    yield Result(text=_lines(watch, events, dated=bool(options.time)))
    yield Result(text=[unnoticed_text(missed)] if missed else [])
    drifted = any(row["drifted"] for row in rows)
    return CHECK_SAID_NO if events or drifted else DONE


def _rows(watch: DriftWatch) -> list[dict[str, Any]]:
    rows = []
    for channel in watch.channels:
        finding = channel.finding
        row: dict[str, Any] = {"channel": channel.column.name, "drifted": channel.drifted, "rows": channel.total.rows}
        row |= {"mean": channel.total.mean, "deviation": channel.total.deviation, "missing": channel.total.missing}
        row |= {"trained_mean": channel.column.mean, "trained_deviation": channel.column.deviation}
        if finding is not None:
            row |= {"score": finding.score, "test": finding.test, "chance": finding.sure, "psi": finding.psi}
            row |= {"shift": finding.shift, "ratio": finding.ratio}
        if channel.drifted:
            row["since"] = channel.since
        rows.append(row)
    if watch.joint is not None:
        joint = watch.joint
        rows.append({"channel": "together", "drifted": joint.reported, "score": joint.score, "test": "together"})
    if watch.motion is not None:
        change = watch.motion.reported
        rows.append({"channel": "motion", "drifted": change is not None, "test": "motion"})
        rows[-1] |= {} if change is None else {"change": change.text}
    return rows


def _lines(watch: DriftWatch, events: list[Event], *, dated: bool) -> Iterator[str]:
    from edgewright.cli.drift_input import moment_text
    from edgewright.core.formatting import number, plural
    from edgewright.monitor.drift.reference_test import LENGTHS

    if watch.blocks < LENGTHS[0]:
        need = watch.block * LENGTHS[0]
        yield f"not tested yet: {watch.rows:,} of the {need:,} rows of one rhythm (set it with --rhythm)"
        return
    yield f"{plural(watch.rows, 'row')} in {plural(watch.blocks, 'block')} of {watch.block:,}"
    heads = ("channel", "mean", "trained", "deviation", "trained", "psi", "score", "")
    cells = []
    for row in _rows(watch)[: len(watch.channels)]:
        text = "as trained"
        if "since" in row:
            text = f"drifts since {moment_text(row['since'], watch, dated)} ({row['test']})"
        figures = [number(row[name]) for name in ("mean", "trained_mean", "deviation", "trained_deviation")]
        cells.append((row["channel"], *figures, f"{row.get('psi', 0.0):.2f}", f"{row.get('score', 0.0):.2f}", text))
    yield from table(heads, cells, frozenset(range(1, 7)))
    if watch.joint is not None:
        yield f"together: {'drifts' if watch.joint.reported else 'as trained'}, score {watch.joint.score:.2f}"
    if watch.motion is not None:
        yield f"motion: {watch.motion.reported.text if watch.motion.reported else 'as trained'}"
    for event in events:
        yield (
            f"{moment_text(event.time, watch, dated)}: {event.label} drifts, "
            f"{event.detail.get('change', event.detail['test'])}, score {event.score:.2f}, "
            f"since {moment_text(event.detail['since'], watch, dated)}"
        )
