"""`edgewright detect score`: a detector against labels, in events, with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgewright.cli.command import Result, argument, declare, option
from edgewright.core.formatting import plural

_MUCH = 0.5


@declare(example="pump.detector --data test.csv --target fault")
def command(
    *,
    file: Path = argument(metavar="FILE.detector|PACKAGE"),
    data: str = option(required=True, metavar="DATA", help="File, folder or run folder with labels."),
    target: str = option(metavar="LABEL", help="Column that says which rows are odd."),
    normal: tuple[str, ...] = option(metavar="LABEL", help="Label of normal rows; may be repeated. [default: 0, ok]"),
    kind: str = option(help="Kind of source or public set; detected from the path by default."),
) -> Result:
    """Evaluate a detector on labelled DATA: events found, false alarms a day, normal time in alarm.

    A series of rows labelled odd is an event. It is found if an alarm begins in it (or up to a tenth of its length
    before, 1 to 10 rows); an alarm that was already on does not count. Every other alarm is false, and so is one that
    covers more normal rows than odd ones, beyond 60 rows. Recall is the share of events found, precision the share of
    alarms that are not false, F1 their harmonic mean. The 95 % intervals are Wilson's for shares, Byar's for the rate
    of false alarms, and a block bootstrap for F1.
    """
    from edgewright.cli.commands.detect._rows import opened
    from edgewright.workflows.detection.fit import judge

    score = judge(opened(file), data, target=target, normal=normal, kind=kind)
    return Result(score, _lines(score))


def _lines(score: dict[str, Any]) -> Iterator[str]:
    rows = score["judged"]
    yield (f"{score['kind']} on {score['rows']:,} {rows} with {plural(score['events'], 'event')}, "
               f"{plural(score['alarms'], 'alarm')}")  # fmt: skip
    yield (f"  events found {score['found']}, missed {score['events'] - score['found']}; false alarms {score['false']}")
    for name in ("recall", "precision", "f1"):
        interval = score[name]
        yield f"  {name:<10} {interval['value']:.2f} ({interval['low']:.2f} to {interval['high']:.2f})"
    rate = score["false_alarms"]
    per = "a day" if rate["per"] == "day" else f"in 1,000 {rows}"
    yield f"  false alarms {rate['value']:.3g} {per} ({rate['low']:.3g} to {rate['high']:.3g})"
    share = 100 * score["row_false"]
    yield f"  {rows:<10} F1 {score['row_f1']:.2f}, {share:.1f} % of normal {rows} flagged"
    if score["row_false"] > _MUCH:
        yield "  most normal rows are flagged: an alarm that never ends finds no event"
