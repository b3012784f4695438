"""`edgewright detect score`: a detector against labels, in events, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.output import print_json


@click.command("score", epilog="Example: edgewright detect score pump.detector --data test.csv --target fault")
@click.argument("file", metavar="FILE.detector|PACKAGE", type=click.Path(path_type=Path))
@click.option("--data", required=True, metavar="DATA", help="File, folder or run folder with labels.")
@click.option("--target", default="", metavar="LABEL", help="Column that says which rows are odd.")
@click.option(
    "--normal", multiple=True, metavar="LABEL", help="Label of normal rows; may be repeated. [default: 0, ok]"
)
@click.option("--kind", default="", help="Kind of source or public set; detected from the path by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(file: Path, data: str, target: str, normal: tuple[str, ...], kind: str, as_json: bool) -> None:
    """Evaluate a detector on labelled DATA: events found, false alarms a day, normal time in alarm.

    A series of rows labelled odd is an event. It is found if an alarm begins in it (or up to a tenth of its length
    before, 1 to 10 rows); an alarm that was already on does not count. Every other alarm is false, and so is one that
    covers more normal rows than odd ones, beyond 60 rows. Recall is the share of events found, precision the share of
    alarms that are not false, F1 their harmonic mean. The 95 % intervals are Wilson's for shares, Byar's for the rate
    of false alarms, and a block bootstrap for F1.
    """
    from edgewright.cli.detect._rows import opened
    from edgewright.workflows.detection.fit import judge

    found = judge(opened(file), data, target=target, normal=normal, kind=kind)
    if as_json:
        print_json(found)
        return
    _print(found)


_MUCH = 0.5


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _print(found: dict[str, Any]) -> None:
    judged = found["judged"]
    click.echo(f"{found['kind']} on {found['rows']:,} {judged} with {_many(found['events'], 'event')}, "
               f"{_many(found['alarms'], 'alarm')}")  # fmt: skip
    click.echo(
        f"  events found {found['found']}, missed {found['events'] - found['found']}; false alarms {found['false']}"
    )
    for name in ("recall", "precision", "f1"):
        one = found[name]
        click.echo(f"  {name:<10} {one['value']:.2f} ({one['low']:.2f} to {one['high']:.2f})")
    rate = found["false_alarms"]
    per = "a day" if rate["per"] == "day" else f"in 1,000 {judged}"
    click.echo(f"  false alarms {rate['value']:.3g} {per} ({rate['low']:.3g} to {rate['high']:.3g})")
    share = 100 * found["row_false"]
    click.echo(f"  {judged:<10} F1 {found['row_f1']:.2f}, {share:.1f} % of normal {judged} flagged")
    if found["row_false"] > _MUCH:
        click.echo("  most normal rows are flagged: an alarm that never ends finds no event")
