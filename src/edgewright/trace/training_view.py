"""Training: a line an epoch while it runs, then a summary and the plot."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.schema.trace import EpochRecord, TrainingRecord
from edgewright.trace.facts import training_facts
from edgewright.trace.observations import notable
from edgewright.trace.page import QUIET, SERIES, Page
from edgewright.trace.plot import Series, plot
from edgewright.trace.words import fraction, plural

HEIGHT = 9


def _figures(epoch: EpochRecord) -> list[tuple[str, str]]:
    """Head and value of the columns this epoch has figures for."""
    cells = [("epoch", f"{epoch.epoch}"), ("loss", fraction(epoch.loss))]
    if epoch.accuracy is not None:
        cells.append(("acc.", fraction(epoch.accuracy)))
    if epoch.validation_loss is not None:
        cells.append(("val loss", fraction(epoch.validation_loss)))
    if epoch.validation_accuracy is not None:
        cells.append(("val acc", fraction(epoch.validation_accuracy)))
    return cells


def _row(cells: Sequence[str], heads: Sequence[str], observation: str, page: Page, style: str = "") -> RenderableType:
    """One line of the table with fixed widths: rows printed live line up with each other."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    widths = [max(len(head), 5) for head in heads]
    for width in widths:
        grid.add_column(justify="right", width=width, no_wrap=True)
    grid.add_column(width=max(20, page.width - sum(width + 2 for width in widths) - 2))
    grid.add_row(*(Text(cell, style=style) for cell in (*cells, observation)))
    return grid


def epoch_head(epoch: EpochRecord, page: Page) -> RenderableType:
    """The heads of the columns that `epoch` fills."""
    heads = [head for head, _ in _figures(epoch)]
    return _row(heads, heads, "what happened", page, QUIET)


def epoch_row(epoch: EpochRecord, page: Page) -> RenderableType:
    """One epoch with its observation."""
    cells = _figures(epoch)
    return _row([value for _, value in cells], [head for head, _ in cells], epoch.observation, page)


def fold_line(count: int) -> Text:
    """What stands for rows that are not shown."""
    return Text(f"{'':>5}  {plural(count, 'epoch')} without an event", style=QUIET)


def epoch_table(epochs: Sequence[EpochRecord], page: Page) -> list[RenderableType]:
    """All epochs, or over fifty the notable ones with the rest folded into a line each."""
    if not epochs:
        return []
    shown = notable(epochs)
    parts: list[RenderableType] = [epoch_head(epochs[0], page)]
    place = {epoch.epoch: i for i, epoch in enumerate(epochs)}
    last = -1
    for epoch in shown:
        skipped = place[epoch.epoch] - last - 1
        if skipped == 1:
            parts.append(epoch_row(epochs[last + 1], page))
        elif skipped:
            parts.append(fold_line(skipped))
        parts.append(epoch_row(epoch, page))
        last = place[epoch.epoch]
    return parts


def summary(training: TrainingRecord, page: Page) -> RenderableType:
    """How training went, in two lines."""
    lines = [page.facts(*facts) for facts in training_facts(training)]
    return Group(*(Text(line, style=QUIET if i == 2 else "") for i, line in enumerate(lines) if line))


def training_plot(epochs: Sequence[EpochRecord], page: Page) -> RenderableType | None:
    """Loss and accuracy over the epochs, side by side where there is room; None for fewer than two epochs."""
    if len(epochs) < 2:
        return None
    loss = [_series("training", epochs, "loss"), _series("validation", epochs, "validation_loss")]
    accuracy = [_series("training", epochs, "accuracy"), _series("validation", epochs, "validation_accuracy")]
    panels = [("loss", loss), ("accuracy", accuracy)]
    drawn = [(title, [s for s in series if s.y]) for title, series in panels]
    drawn = [(title, series) for title, series in drawn if series]
    beside = page.width >= 90 and len(drawn) == 2
    width = (page.width - 4) // 2 if beside else min(page.width, 72)
    grid = Table.grid(padding=(0, 4, 0, 0))
    blocks = []
    for title, series in drawn:
        lines = plot(series, width=width, height=HEIGHT, unicode=page.unicode, title=title, x_name="epoch")
        if lines:
            text = [Text.assemble(*((p.text, SERIES[p.series] if p.series >= 0 else "") for p in li)) for li in lines]
            blocks.append(Group(*text))
    if not blocks:
        return None
    if beside:
        grid.add_row(*blocks)
        return grid
    return Group(*blocks)


def _series(name: str, epochs: Sequence[EpochRecord], field: str) -> Series:
    """One figure over the epochs that have it."""
    having = [(float(e.epoch), getattr(e, field)) for e in epochs if getattr(e, field) is not None]
    return Series(name, tuple(x for x, _ in having), tuple(float(y) for _, y in having))
