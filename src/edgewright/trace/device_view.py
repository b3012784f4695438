"""The budgets of the device: used against available, with the error bar of what is only estimated."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from edgewright.schema.trace import BudgetRow, DeviceRecord
from edgewright.trace.facts import budget_share
from edgewright.trace.page import BAD, GOOD, QUIET, WARN, Page, add, table
from edgewright.trace.words import amount

BAR = 24


def device_parts(record: DeviceRecord, page: Page) -> list[RenderableType]:
    """Budgets, whether the model fits, and notes."""
    head = f"{record.profile}: {record.description}" if record.description else record.profile
    bars = page.terminal
    heads = ["budget", "used", "from - to", "available", "share", *([""] if bars else []), ""]
    made = table(heads, (1, 2, 3, 4))
    for row in record.rows:
        span = "" if row.how == "measured" else f"{amount(row.low, row.unit)} - {amount(row.high, row.unit)}"
        add(
            made,
            row.name,
            amount(row.used, row.unit),
            span,
            amount(row.available, row.unit) if row.available > 0 else "no limit",
            budget_share(row),
            *([_bar(row, page)] if bars else []),
            Text(row.how, style=QUIET),
        )
    fits = Text("fits every budget", style=GOOD) if record.fits else Text("DOES NOT FIT", style=BAD)
    return [Text(head), made, fits, *(Text(note, style=QUIET) for note in record.notes)]


def _style(row: BudgetRow) -> str:
    return "red" if row.used > row.available else WARN if row.high > row.available else "green"


def _bar(row: BudgetRow, page: Page) -> Text:
    """Used filled, the rest of the error bar hatched, the budget as the whole width."""
    if row.available <= 0:
        return Text("")
    full, maybe, empty = ("█", "▒", "░") if page.unicode else ("#", "~", ".")
    used = min(BAR, max(1 if row.used > 0 else 0, round(BAR * row.used / row.available)))
    high = min(BAR, max(used, round(BAR * row.high / row.available)))
    return Text.assemble(
        (full * used, _style(row)), (maybe * (high - used), _style(row)), (empty * (BAR - high), "bright_black")
    )
