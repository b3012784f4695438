"""A stage's card: what came in, what was done to it, what went on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.schema.trace import StageRecord
from edgewright.trace.page import QUIET, WARN, Page, add, note, table
from edgewright.trace.words import bytes_text, flow_text, number, plural, seconds_text, shorten

ROWS, STATISTICS, DROPPED = 3, 4, 4
CELL = 10


def stage_card(stage: StageRecord, place: int, names_before: Sequence[str], page: Page) -> RenderableType:
    """The card of the stage at `place` (from 1); `names_before` are the columns that came in, where known."""
    shape = flow_text(stage.shape_in, stage.shape_out)
    parts: list[RenderableType] = [Text.assemble((shape, "bold"), "   " if shape else "", (stage.dtype, QUIET))]
    if stage.why:
        parts.append(Text(stage.why))
    if stage.formula:
        parts.append(note(stage.formula))
    facts = page.facts(
        f"fitted on {plural(stage.fitted_on, 'training sample')}" if stage.fitted_on else "",
        f"filled {plural(stage.filled, 'missing value')}" if stage.filled else "",
    )
    if facts:
        parts.append(Text(facts))
    if stage.dropped:
        parts.append(Text(_dropped(stage, page)))
    parts += [Text(text) for text in stage.notes]
    samples = _samples(stage, names_before, page)
    if samples is not None:
        parts += [Text(""), samples]
    if stage.columns_after:
        parts += [Text(""), _statistics(stage, page)]
    cost = page.facts(
        seconds_text(stage.seconds) if stage.seconds else "",
        f"memory +{bytes_text(stage.peak_bytes)}" if stage.peak_bytes > 0 else "",
    )
    return page.card(f"{place}. {stage.name}", parts, right=cost)


def _dropped(stage: StageRecord, page: Page) -> str:
    """The columns left out with their reasons, the first few by name; a reason they share is said once."""
    count = plural(len(stage.dropped), "column")
    more = len(stage.dropped) - DROPPED
    tail = f" and {more:,} more" if more > 0 else ""
    reasons = {reason for _, reason in stage.dropped}
    if len(reasons) == 1:
        names = ", ".join(name for name, _ in stage.dropped[:DROPPED])
        reason = reasons.pop()
        return f"dropped {count}{f' ({reason})' if reason else ''}: {names}{tail}"
    named = ", ".join(f"{name} ({reason})" if reason else name for name, reason in stage.dropped[:DROPPED])
    return f"dropped {count}: {named}{tail}"


def _samples(stage: StageRecord, names_before: Sequence[str], page: Page) -> RenderableType | None:
    """Three samples before and after, side by side where there is room."""
    before = _sample_table("before", stage.sample_before, names_before, stage.shape_in, page)
    after = _sample_table("after", stage.sample_after, stage.names_after, stage.shape_out, page)
    present = [t for t in (before, after) if t is not None]
    if not present:
        return None
    if len(present) == 1:
        return present[0]
    if _side_by_side(page):
        grid = Table.grid(padding=(0, 3, 0, 0))
        grid.add_row(*present)
        return grid
    stacked = Table.grid()
    for one in present:
        stacked.add_row(one)
    return stacked


def _side_by_side(page: Page) -> bool:
    return page.inner >= 88


def _sample_table(
    title: str, rows: Sequence[Sequence[float | None]], names: Sequence[str], shape: Sequence[int], page: Page
) -> Table | None:
    """The first values of up to three samples under the names of their columns; of windows their first channel."""
    if not rows or not rows[0]:
        return None
    recorded, windows = len(rows[0]), len(shape) >= 3
    # The record holds the first values only: how many there are is said by the shape.
    total = max(recorded, shape[-1] if shape else 0)
    room = (page.inner - 3) // 2 if _side_by_side(page) else page.inner
    if windows:
        title = f"{title}: {shorten(names[0], 24, page.ellipsis) if names else 'channel 1'}"
    more_width = 5 + max(0, len(title) - 6)
    fit = max(1, (room - 7 - more_width) // (CELL + 1))
    shown = total if total <= fit else min(fit, recorded)
    known = not windows and len(names) >= shown
    heads = [_middle(name, page) for name in names[:shown]] if known else [""] * shown
    extra = [f"+{total - shown:,}"] if total > shown else []
    made = table([title, *heads, *extra], range(1, shown + 2), gap=1)
    for row in rows[:ROWS]:
        values = [_value(value) for value in row[:shown]]
        add(made, "", *values, *([page.ellipsis] if extra else []))
    return made


def _middle(name: str, page: Page) -> str:
    """A long name cut in its middle: the ends tell acceleration_x from acceleration_y."""
    return name if len(name) <= CELL else f"{name[: CELL - 4]}{page.ellipsis}{name[-3:]}"


def _value(value: float | None) -> Text:
    text = number(value)
    return Text(text, style=WARN if text == "missing" else "")


def _statistics(stage: StageRecord, page: Page) -> Table:
    """Least, mean, largest, spread and missing values of the first columns."""
    made = table(["column", "least", "mean", "largest", "deviation", "missing"], range(1, 6))
    for column in stage.columns_after[:STATISTICS]:
        name = f"{column.name} [{column.unit}]" if column.unit else column.name
        figures = (number(v) for v in (column.minimum, column.mean, column.maximum, column.deviation))
        add(made, shorten(name, 34, page.ellipsis), *figures, f"{column.missing:,}")
    more = max(len(stage.columns_after), len(stage.names_after)) - STATISTICS
    if more > 0:
        add(made, f"and {more:,} more", style=QUIET)
    return made
