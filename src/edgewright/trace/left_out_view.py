"""Leave-one-group-out as blocks: what was scored on each person or machine that a fit had never seen."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import duration_text, fraction, number
from edgewright.schema.trace import Interval, LeftOutRecord
from edgewright.trace.readiness import left_out_text
from edgewright.trace.view_blocks import Cell, Row, Table, ViewBlock, line, row


def left_out_blocks(found: LeftOutRecord | None) -> Sequence[ViewBlock]:
    """Return the mean with its caveat, what it was compared with, and each group, the worst first."""
    if found is None:
        return ()
    classify = found.r2 is None
    gains = [("always the most frequent class" if classify else "always the mean", found.majority)]
    gains += [] if found.simplest is None else [("one column with thresholds", found.simplest.gain)]
    text = "; ".join(f"{_gain(gain, classify=classify)} over {name}" for name, gain in gains)
    some = f" {len(found.groups)} of {found.known} groups: time ended." if len(found.groups) < found.known else ""
    return (
        line(left_out_text(found), "strong", "evaluation-left-out"),
        line(f"Gain: {text}.", "quiet"),
        line(
            f"Each {found.by} was left out once; stages and model were fitted on the others, as those of the package "
            f"are on all ({duration_text(found.seconds)}).{some} Confidence intervals: {found.score.method}; of gains, "
            f"{found.majority.method}.",
            "quiet",
        ),
        Table("Left out, the worst first", _heads(found), _rows(found), "measured"),
    )


def _gain(gain: Interval, *, classify: bool) -> str:
    value, low, high = (f"{100 * x:+.1f}" if classify else f"{x:+.3g}" for x in (gain.value, gain.low, gain.high))
    return f"{value}{' points' if classify else ''} (95 % CI {low} to {high})"


def _heads(found: LeftOutRecord) -> tuple[str, ...]:
    figures = ("accuracy",) if found.r2 is None else tuple(sorted(found.groups[0].regression))
    return (found.by, *(f"#{name}" for name in figures), "#samples")


def _rows(found: LeftOutRecord) -> list[Row]:
    if found.r2 is None:
        ordered = sorted(found.groups, key=lambda one: (one.accuracy or 0.0, one.group))
        return [row(one.group, Cell(fraction(one.accuracy or 0.0), meter=one.accuracy), f"{one.samples:,}")
                for one in ordered]  # fmt: skip
    ordered = sorted(found.groups, key=lambda one: (-one.regression["rmse"], one.group))
    return [row(one.group, *(number(one.regression[name]) for name in sorted(one.regression)), f"{one.samples:,}")
            for one in ordered]  # fmt: skip
