"""Data flow: a card for each stage, from what came in to what went on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgewright.core.formatting import bytes_text, flow_text, number, plural, seconds_text, some_of
from edgewright.schema.trace import StageRecord, Statistics, Trace
from edgewright.trace.blocks.view_blocks import (
    Card,
    Cards,
    Fold,
    Items,
    Line,
    Pairs,
    Row,
    Samples,
    SideBySide,
    Table,
    ViewBlock,
    line,
    row,
)
from edgewright.trace.sections import Section

_BRIEF = 4
_HEADS = ("column", "#minimum", "#mean", "#maximum", "#deviation", "#missing")


def blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build the cards, each with the columns that came into it."""
    if not trace.stages:
        return ()
    spent, cards = sum(stage.seconds for stage in trace.stages), stage_cards(trace)
    took = f", {seconds_text(spent)} in all" if spent else ""
    lead = f"{plural(len(cards), 'stage')}{took}. Shapes, samples and statistics are measured on the data of this run."
    return line(lead), Cards(cards, chained=True)


def stage_cards(trace: Trace) -> list[Card]:
    """Build the card of each stage, with the columns that came into it."""
    cards: list[Card] = []
    names: tuple[str, ...] = ()
    for step, stage in enumerate(trace.stages, 1):
        cards.append(stage_card(stage, step, names))
        names = stage.names_after or names
    return cards


def stage_card(stage: StageRecord, step: int, names_before: Sequence[str] = ()) -> Card:
    """Build the card of one stage.

    Args:
        stage: its record.
        step: its number, from 1.
        names_before: columns that came in, where known.
    """
    content: list[ViewBlock] = [line(stage.why)] if stage.why else []
    content += [line(stage.formula, "formula")] if stage.formula else []
    facts = (
        f"fitted on {plural(stage.fitted_on, 'training sample')}" if stage.fitted_on else "",
        f"filled {plural(stage.filled, 'missing value')}" if stage.filled else "",
        f"dropped {plural(len(stage.dropped), 'column')}" if stage.dropped else "",
        f"time {seconds_text(stage.seconds)}" if stage.seconds else "",
        f"CPU {seconds_text(stage.cpu_seconds)}" if stage.cpu_seconds else "",
        f"memory +{bytes_text(stage.peak_bytes)}" if stage.peak_bytes > 0 else "",
    )
    content += [Items(facts)] if any(facts) else []
    content += [line(text, "quiet") for text in stage.notes]
    if stage.dropped:
        content.append(_dropped(stage.dropped))
    before = Samples("before", names_before, stage.sample_before[:3], stage.shape_in)
    after = Samples("after", stage.names_after, stage.sample_after[:3], stage.shape_out)
    samples = [sample for sample in (before, after) if sample.rows and sample.rows[0]]
    if samples:
        side_by_side = (SideBySide(samples),)
        content.append(
            Fold(f"Samples {' and '.join(sample.title for sample in samples)}", side_by_side, brief=side_by_side)
        )
    if stage.columns_after:
        content.append(_statistics(stage))
    if stage.settings:
        content.append(
            Fold("Settings", [Pairs([(name, _text(value)) for name, value in sorted(stage.settings.items())])])
        )
    shape = flow_text(stage.shape_in, stage.shape_out)
    return Card(stage.name, ((shape, "strong"), (stage.dtype, "quiet")), content, f"data_flow-{step}", step)


def _dropped(dropped: Sequence[tuple[str, str]]) -> Fold:
    """List the columns left out by reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in dropped:
        reasons.setdefault(reason, []).append(name)
    tails = [(names, f": {reason}" if reason else "") for reason, names in reasons.items()]
    return Fold(
        f"Dropped: {plural(len(dropped), 'column')}",
        [Line(((", ".join(names), ""), (f"{tail}.", ""))) for names, tail in tails],
        brief=[line(f"dropped {some_of(names, _BRIEF)}{tail}") for names, tail in tails],
    )


def _statistics(stage: StageRecord) -> Fold:
    """List minimum, mean, maximum, deviation and missing values of the columns that come out."""
    known = stage.columns_after
    columns = stage.shape_out[1] if len(stage.shape_out) == 2 else 0
    total = max(len(known), len(stage.names_after), columns)
    more = [row(f"and {total - _BRIEF:,} more", *[""] * 5)] if total > _BRIEF else []
    return Fold(
        f"Statistics of {plural(len(known), 'column')}{f' of {total}' if total > len(known) else ''}",
        [Table("Columns after this stage", _HEADS, [_figures(column) for column in known])],
        brief=[Table("", _HEADS, [*(_figures(column) for column in known[:_BRIEF]), *more])],
    )


def _figures(column: Statistics) -> Row:
    name = f"{column.name} [{column.unit}]" if column.unit else column.name
    figures = (number(value) for value in (column.minimum, column.mean, column.maximum, column.deviation))
    return row(name, *figures, f"{column.missing:,}")


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a stage is set with
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return number(value) if isinstance(value, float) else str(value)


SECTION = Section(10, "Data flow", blocks, missing="No stage has been recorded.")
