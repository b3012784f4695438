"""`edgewright check`: gaps, ranges, sampling rate, and leakage between people and sessions."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import click

from edgewright.cli.options import Columns, argument, declare, option
from edgewright.cli.output import print_json
from edgewright.schema.errors import CHECK_SAID_NO, DONE

if TYPE_CHECKING:
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
    as_json: bool = option("--json", help="Print the findings as JSON.")


@declare("check", epilog="Example: edgewright check my.csv --target label --group person")
def command(options: CheckOptions) -> int:
    """Check the quality of DATA (a file or a folder) before you build on it.

    Reports missing values, constant columns, ranges and units, sampling rate and gaps, duplicate rows, class balance,
    labels of one person that look swapped, and leakage: the same person, session or overlapping window on both sides of
    a split, with how much that would inflate the score. Exits with 1 if a finding makes results wrong.
    """
    from edgewright.pipeline.check import check_data

    given = asdict(options)
    as_json = given.pop("as_json")
    found = check_data(given.pop("data"), **given)
    if as_json:
        print_json(found)
    else:
        for line in _lines(found):
            click.echo(line)
        if found.task == "classification" and (further := _studio_line(options)):
            click.echo(further)
    return CHECK_SAID_NO if found.failed else DONE


def _studio_line(options: CheckOptions) -> str:
    """Return how labels that are likely wrong are found in these data; empty for data that are no file or folder."""
    path = Path(options.data)
    if not path.exists():
        return ""
    folder, name = (path, "") if path.is_dir() else (path.parent, path.name)
    asked = {"target": options.target, "group": options.group, "session": options.session, "time": options.time,
             "ignore": ",".join(options.ignore), "pattern": options.pattern, "window": options.window}  # fmt: skip
    query = urlencode({**{key: value for key, value in asked.items() if value}, "view": "map", "errors": 1})
    return (
        f"\nfind labels that are likely wrong: edgewright studio {shlex.quote(str(folder))}, then open "
        f"/data/at/{quote(name)}?{query} there"
    )


def _lines(found: Checked) -> list[str]:
    from edgewright.core.clocks.rates import pace
    from edgewright.data.findings import by_column

    quality = found.quality
    counts = {
        "row": quality.rows, "column": quality.columns, "recording": quality.recordings, "group": quality.groups
    }  # fmt: skip
    head = f"{found.name}: " + ", ".join(f"{n:,} {what}{'s' * (n != 1)}" for what, n in counts.items() if n)
    if quality.rate:
        head += f", {pace(quality.rate)}"
    lines = [head]
    if quality.classes:
        lines.append("classes: " + ", ".join(f"{name} {count:,}" for name, count in quality.classes.items()))
    lines += [found.columns] if found.columns else []
    lines += ["", "data"]
    lines += [f"  {_MARKS[f.severity]} {f.sentence}" for f in by_column(quality.findings)] or ["  nothing found"]
    if not found.task:
        return [*lines, "", "no target is set, so leakage was not checked (--target COLUMN)"]
    if found.labels:
        lines += ["", "labels", *(f"  {_MARKS[f.severity]} {f.sentence}" for f in found.labels)]
    lines += ["", found.framed] if found.framed else []
    lines += ["", f"leakage in {found.split}"]
    lines += [f"  {_MARKS[f.severity]} {f.sentence}" for f in found.leakage] or ["  no sample is on both sides"]
    measured = found.inflation
    if measured is None:
        return [*lines, "", "no group, session or time is known, so the effect of the split cannot be measured"]
    points = measured.difference
    what = "accuracy" if found.task == "classification" else "R²"
    lines += [
        "",
        "inflation by a random split",
        f"  random split: {what} {measured.random:.3f}; split by {measured.by}: {measured.kept:.3f}",
        f"  {100 * points.value:+.1f} points (95 %: {100 * points.low:+.1f} to {100 * points.high:+.1f}), measured on "
        f"{measured.samples:,} samples with {measured.model}",
    ]
    if points.low > 0:
        lines.append(f"  split by {measured.by}, because a random split overstates accuracy on the device")
    return lines
