"""`edgewright label audit`: a random sample for people to answer, and the error rate of the machine's labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.label._options import JSON, PROJECT
from edgewright.cli.options import declare, option
from edgewright.cli.output import print_json
from edgewright.schema.errors import CheckFailedError

if TYPE_CHECKING:
    from edgewright.schema.labelling import LabelAudit


@declare("audit", epilog="Example: edgewright label audit calls.labelling --draw 100")
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
    as_json: bool = JSON,
) -> None:
    """Sample the machine's labels for people to check, or report the result, or the sample size needed.

    People answer with `label review PROJECT --audit`, without seeing the machine's labels. Every further sample widens
    the interval, so repeating the audit until it passes does not help. Exits with 1 if the limit is not met (yet).
    """
    with loading():
        from edgewright.language.labelling import audit
        from edgewright.language.labelling.project import Project

    with Project(project) as opened:
        found = audit.audited(opened) if count is None else audit.draw(opened, count, each, seed)
    looks = found.looks + (found.state in ("none", "stale"))
    expect = limit / 5 if expect is None else expect
    plan = audit.needed(limit, expect, audit.level_of(looks))
    if as_json:
        print_json({**msgspec.to_builtins(found), "limit": limit, "plan": {"answers": plan[0], "errors": plan[1]}})
    else:
        _tell(found, str(project), limit)
        if found.state in ("none", "stale"):
            click.echo(
                f"plan: {plan[0]:,} answers allow {plan[1]} wrong ones; labels of which {100 * expect:g} % are wrong "
                f"pass {100 * limit:g} % in four of five such audits"
            )
    if count is None and found.state != "done":
        raise CheckFailedError(
            {"none": "no audit yet", "open": "the audit is incomplete", "stale": "the labels changed after the audit"}[
                found.state
            ],
            do={"open": "edgewright label review PROJECT --audit"}.get(found.state, "Draw a sample: --draw N"),
        )
    if found.state == "done" and found.high > limit:
        rate = found.errors / found.answered
        # At the same share of wrong ones, and at the stricter level of a further look.
        longer = audit.extended(found.errors, found.answered, limit, audit.level_of(found.looks + 1))
        more = f", or draw a longer sample: --draw {longer}" if longer and longer <= found.population else ""
        raise CheckFailedError(
            f"up to {100 * found.high:.1f} % of the machine's labels may be wrong; the limit is {100 * limit:g} %",
            do=f"{100 * rate:.1f} % were: label more and suggest again{more}",
        )


def _tell(found: LabelAudit, project: str, limit: float) -> None:
    if found.state == "none":
        click.echo(f"no audit of {project} yet")
        return
    click.echo(
        f"look {found.looks}: {found.answered:,} of {found.drawn:,} answered, "
        f"drawn at random from {found.population:,} labels"
    )
    if found.state == "open":
        click.echo(f"  edgewright label review {project} --audit")
        return
    if found.state == "stale":
        click.echo("  the machine labels changed after this audit, so it does not cover them")
        return
    rate = found.errors / max(1, found.answered)
    click.echo(
        f"  {found.errors:,} wrong: {100 * rate:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f} %, exact, "
        f"level {100 * found.level:g} %), limit {100 * limit:g} %"
    )
    for one in found.classes:
        text = (
            f"{one.errors} of {one.answered} wrong (up to {100 * one.high:.0f} %)" if one.answered else "none answered"
        )
        click.echo(f"  {one.label:<28} {text}, {one.population:,} labels")
