"""Decisions: how many windows in a row must agree before a device's decision changes, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import percent, plural, seconds_text
from edgewright.schema.trace_flow import DebounceRecord, DebounceRow
from edgewright.trace.blocks.view_blocks import Row, Table, ViewBlock, line, row
from edgewright.trace.sections import Section

_HEADS = (
    "windows that agree", "#time wrong", "#false switches an hour", "#median delay", "#never decided", "#cost an hour",
    "hides",
)  # fmt: skip


def debounce_blocks(record: DebounceRecord | None) -> Sequence[ViewBlock]:
    """Build the choice in a sentence, and the figures of those who chose and of those who did not."""
    if record is None:
        return ()
    blocks: list[ViewBlock] = [line(f"{record.why}.", "strong", "decisions-choice")]
    if not record.rows:
        return blocks
    hours = f"{record.hours:,.0f}" if record.hours >= 10 else f"{record.hours:.2g}"
    blocks.append(
        line(
            f"Compared on whole recordings, changes of label and unlabelled time included, of {record.chosen_on}: "
            f"{hours} labelled hours with {plural(record.changes, 'change')} of label. A false switch is a "
            "decision for a label that no row of its window has; a change of label that is never decided costs as "
            "much. A number that hides over a quarter of the changes to a label, which single answers decide, is not "
            "taken.",
            "quiet",
        )
    )
    blocks.append(Table(f"Who chose: {record.chosen_on}", _HEADS, _rows(record.rows, record.chosen), "measured"))
    if record.judged_rows:
        blocks.append(
            Table(
                f"Who did not choose: {record.judged_on}", _HEADS, _rows(record.judged_rows, record.chosen), "measured"
            )
        )
    return blocks


def _rows(figures: Sequence[DebounceRow], chosen: int) -> list[Row]:
    return [
        row(
            str(figure.debounce), percent(figure.wrong, 1), f"{figure.false_per_hour:.1f}",
            "" if figure.delay_s is None else seconds_text(figure.delay_s), f"{figure.missed:,}",
            f"{figure.cost_s:,.0f} s", ", ".join(figure.hidden),
            kind="best" if figure.debounce == chosen else "",
        )
        for figure in figures
    ]  # fmt: skip


SECTION = Section(75, "Decisions", lambda trace: debounce_blocks(trace.debounce))
