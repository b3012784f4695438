"""`edgewright check`: gaps, ranges, sampling rate, and leakage between people and sessions."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import Columns
from edgewright.core.errors import CHECK_SAID_NO, DONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgewright.data.contract import Finding
    from edgewright.pipeline.check import Checked

_MARKS = {"error": "x", "warning": "!", "note": "-"}


@dataclass(frozen=True, kw_only=True)
class CheckOptions(Columns):
    """Options of the command."""

    data: str = argument()
    pattern: str = option(help="How to read a file's name, such as {label}_{person}_{index}.")
    split_column: str = option("--split", help="Column that says which rows are training and which are test rows.")
    window: int = option(
        type=click.IntRange(min=0), default=0, help="Rows in a window; 0 checks rows, and the windows of sound files."
    )
    seed: int = option(default=0, help="Seed of the random split and the quick model.")


@declare(example="my.csv --target label --group person")
def command(options: CheckOptions) -> Result:
    """Check the quality of DATA (a file or a folder) before you build on it.

    Reports missing values, constant columns, ranges and units, sampling rate and gaps, duplicate rows, class balance,
    labels of one person that look swapped, and leakage: the same person, session or overlapping window on both sides of
    a split, with how much that would inflate the score. Exits with 1 if a finding makes results wrong.
    """
    from edgewright.pipeline.check import check_data

    given = asdict(options)
    report = check_data(given.pop("data"), **given)
    return Result(report, _lines(report, options), code=CHECK_SAID_NO if report.failed else DONE)


def _studio_line(options: CheckOptions) -> Iterator[str]:
    """Yield how to find labels of these data that are likely wrong; nothing for data that are no file or folder."""
    path = Path(options.data)
    if not path.exists():
        return
    folder, name = (path, "") if path.is_dir() else (path.parent, path.name)
    columns = {"target": options.target, "group": options.group, "session": options.session, "time": options.time,
             "ignore": ",".join(options.ignore), "pattern": options.pattern, "window": options.window}  # fmt: skip
    query = urlencode({**{key: value for key, value in columns.items() if value}, "view": "map", "errors": 1})
    yield (
        f"\nfind labels that are likely wrong: edgewright studio {shlex.quote(str(folder))}, then open "
        f"/data/at/{quote(name)}?{query} there"
    )


def _lines(report: Checked, options: CheckOptions) -> Iterator[str]:
    from edgewright.core.clocks.units import pace
    from edgewright.core.formatting import plural
    from edgewright.data.contract import by_column

    def marked(findings: Sequence[Finding], otherwise: str) -> Iterator[str]:
        yield from [f"  {_MARKS[finding.severity]} {finding.sentence}" for finding in findings] or [f"  {otherwise}"]

    quality = report.quality
    counts = {
        "row": quality.rows, "column": quality.columns, "recording": quality.recordings, "group": quality.groups
    }  # fmt: skip
    facts = [plural(count, name) for name, count in counts.items() if count]
    yield f"{report.name}: {', '.join([*facts, *([pace(quality.rate)] if quality.rate else [])])}"
    if quality.classes:
        yield "classes: " + ", ".join(f"{name} {count:,}" for name, count in quality.classes.items())
    yield from (report.columns,) if report.columns else ()
    yield from ("", "data", *marked(by_column(quality.findings), "nothing found"))
    if not report.task:
        yield from ("", "no target is set, so leakage was not checked (--target COLUMN)")
        return
    yield from ("", "labels", *marked(report.labels, "")) if report.labels else ()
    yield from ("", report.framed) if report.framed else ()
    yield from ("", f"leakage in {report.split}", *marked(report.leakage, "no sample is on both sides"))
    inflation = report.inflation
    if inflation is None:
        yield from ("", "no group, session or time is known, so the effect of the split cannot be measured")
    else:
        points = inflation.difference
        score = "accuracy" if report.task == "classification" else "R²"
        yield from ("", "inflation by a random split")
        yield f"  random split: {score} {inflation.random:.3f}; split by {inflation.by}: {inflation.kept:.3f}"
        yield (
            f"  {100 * points.value:+.1f} points (95 %: {100 * points.low:+.1f} to {100 * points.high:+.1f}), "
            f"measured on {inflation.samples:,} samples with {inflation.model}"
        )
        if points.low > 0:
            yield f"  split by {inflation.by}, because a random split overstates accuracy on the device"
    if report.task == "classification":
        yield from _studio_line(options)
