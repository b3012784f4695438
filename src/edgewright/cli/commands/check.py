"""`edgewright check`: gaps, ranges, sampling rate, and leakage between people and sessions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgewright.pipeline.check import Checked

_MARKS = {"error": "x", "warning": "!", "note": "-"}


@click.command("check", epilog="Example: edgewright check my.csv --target label --group person")
@click.argument("data")
@click.option("--target", default="", help="Column that is to be predicted.")
@click.option("--group", default="", help="Column with the person or machine of a row.")
@click.option("--session", default="", help="Column with the session of a row.")
@click.option("--time", default="", help="Column with the time of a row.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Column that is no measurement; may be repeated.")
@click.option("--pattern", default="", help="What a file's name means, such as {label}_{person}_{index}.")
@click.option("--split", "split_column", default="", help="Column that says which rows train and which test.")
@click.option(
    "--window",
    type=click.IntRange(min=0),
    default=0,
    help="Rows in a window; 0: rows, of sound windows.",
)
@click.option("--kind", default="", help="Source or public set; judged by the path when left out.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random split and the quick model.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def command(
    context: click.Context,
    data: str,
    target: str,
    group: str,
    session: str,
    time: str,
    ignore: tuple[str, ...],
    pattern: str,
    split_column: str,
    window: int,
    kind: str,
    seed: int,
    as_json: bool,
) -> int:
    """Look at DATA (a file or a folder) before building on it.

    Missing values, constant columns, ranges and units, sampling rate and gaps, duplicated rows, class balance, labels
    of one person that look swapped, and leakage: the same person, session or overlapping window on both sides of a
    split, with how much that would flatter. Exit code 1 where something was found that makes results wrong.
    """
    import msgspec

    from edgewright.pipeline.check import check_data
    from edgewright.schema.errors import CHECK_SAID_NO, DONE

    found = check_data(
        data,
        kind=kind,
        target=target,
        group=group,
        session=session,
        time=time,
        ignore=ignore,
        pattern=pattern,
        split_column=split_column,
        window=window,
        seed=seed,
    )
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    else:
        for line in _lines(found):
            click.echo(line)
    return CHECK_SAID_NO if found.failed else DONE


def _lines(found: Checked) -> list[str]:
    from edgewright.data.clock import pace

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
    lines += ["", "data"]
    lines += [f"  {_MARKS[f.severity]} {f.sentence}" for f in quality.findings] or ["  nothing found"]
    if not found.task:
        return [*lines, "", "no target named: leakage was not looked for (--target COLUMN)"]
    if found.labels:
        lines += ["", "labels", *(f"  {_MARKS[f.severity]} {f.sentence}" for f in found.labels)]
    lines += ["", found.framed] if found.framed else []
    lines += ["", f"leakage in {found.split}"]
    lines += [f"  {_MARKS[f.severity]} {f.sentence}" for f in found.leakage] or ["  nothing stands on both sides"]
    measured = found.inflation
    if measured is None:
        return [*lines, "", "no group, session or time is known: what a split keeps apart cannot be measured"]
    points = measured.difference
    what = "accuracy" if found.task == "classification" else "R²"
    lines += [
        "",
        "how much a random split would flatter",
        f"  samples dealt at random: {what} {measured.random:.3f}; each {measured.by} on one side: {measured.kept:.3f}",
        f"  {100 * points.value:+.1f} points (95 %: {100 * points.low:+.1f} to {100 * points.high:+.1f}), measured on "
        f"{measured.samples:,} samples with {measured.model}",
    ]
    if points.low > 0:
        lines.append(f"  split by {measured.by}: a random split would promise what the device will not keep")
    return lines


COMMAND = command
