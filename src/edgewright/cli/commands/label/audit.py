"""`edgewright label audit`: a random sample for people to answer, and the error rate of the machine's labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.label._options import PROJECT
from edgewright.cli.interrupt import loading
from edgewright.schema.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.schema.labelling import LabelAudit


@declare(example="calls.labelling --draw 100")
def command(
    project: Path = PROJECT,
    count: int | None = option(
        "--draw",
        type=click.IntRange(1, 100_000),
        metavar="N",
        help="Draw a sample of N, or extend the answered one.",
    ),
    each: int = option(
        type=click.IntRange(0, 10_000),
        default=0,
        help="Also draw N of every class, for its own interval.",
        show_default=False,
    ),
    limit: float = option(
        type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
        default=0.05,
        help="Error rate that training accepts.",
    ),
    expect: float | None = option(
        type=click.FloatRange(0.0, 1.0), help="Assumed error rate for planning. [default: a fifth of the limit]"
    ),
    seed: int | None = option(type=click.IntRange(0), help="Seed of the sample. [default: from the system]"),
) -> Result:
    """Sample the machine's labels for people to check, or report the result, or the sample size needed.

    People answer with `label review PROJECT --audit`, without seeing the machine's labels. Every further sample widens
    the interval, so repeating the audit until it passes does not help. Exits with 1 if the limit is not met (yet).
    """
    with loading():
        from edgewright.language.labelling import audit
        from edgewright.language.labelling.project import Project

    with Project(project) as opened:
        report = audit.audited(opened) if count is None else audit.draw(opened, count, each, seed)
    looks = report.looks + (report.state in ("none", "stale"))
    expect = limit / 5 if expect is None else expect
    plan = audit.needed(limit, expect, audit.level_of(looks))
    lines = [*_lines(report, str(project), limit)]
    if report.state in ("none", "stale"):
        lines.append(
            f"plan: {plan[0]:,} answers allow {plan[1]} wrong ones; labels of which {100 * expect:g} % are wrong "
            f"pass {100 * limit:g} % in four of five such audits"
        )
    failure = None
    if count is None and report.state != "done":
        failure = CheckFailedError(
            {"none": "no audit yet", "open": "the audit is incomplete", "stale": "the labels changed after the audit"}[
                report.state
            ],
            do={"open": "edgewright label review PROJECT --audit"}.get(report.state, "Draw a sample: --draw N"),
        )
    elif report.state == "done" and report.high > limit:
        rate = report.errors / report.answered
        # At the same share of wrong ones, and at the stricter level of a further look.
        longer = audit.extended(report.errors, report.answered, limit, audit.level_of(report.looks + 1))
        more = f", or draw a longer sample: --draw {longer}" if longer and longer <= report.population else ""
        failure = CheckFailedError(
            f"up to {100 * report.high:.1f} % of the machine's labels may be wrong; the limit is {100 * limit:g} %",
            do=f"{100 * rate:.1f} % were: label more and suggest again{more}",
        )
    record = {**msgspec.to_builtins(report), "limit": limit, "plan": {"answers": plan[0], "errors": plan[1]}}
    return Result(record, lines, failure=failure)


def _lines(report: LabelAudit, project: str, limit: float) -> Iterator[str]:
    if report.state == "none":
        yield f"no audit of {project} yet"
        return
    yield (
        f"look {report.looks}: {report.answered:,} of {report.sampled:,} answered, "
        f"drawn at random from {report.population:,} labels"
    )
    if report.state == "open":
        yield f"  edgewright label review {project} --audit"
        return
    if report.state == "stale":
        yield "  the machine labels changed after this audit, so it does not cover them"
        return
    rate = report.errors / max(1, report.answered)
    yield (
        f"  {report.errors:,} wrong: {100 * rate:.1f} % ({100 * report.low:.1f} to {100 * report.high:.1f} %, exact, "
        f"level {100 * report.level:g} %), limit {100 * limit:g} %"
    )
    for row in report.classes:
        text = (
            f"{row.errors} of {row.answered} wrong (up to {100 * row.high:.0f} %)" if row.answered else "none answered"
        )
        yield f"  {row.label:<28} {text}, {row.population:,} labels"
