"""Device fit: how much of each budget of the profile is used, with the error bar of what is only estimated."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import amount, estimated_latency, percent
from edgewright.schema.trace import BudgetRow, DeviceRecord
from edgewright.trace.sections import Section
from edgewright.trace.view_blocks import Cell, Line, Table, ViewBlock, line, row


def device_blocks(record: DeviceRecord | None) -> Sequence[ViewBlock]:
    """Build the verdict, a row for each budget, and notes."""
    if record is None:
        return ()
    heads = ("budget", "#used", "#from - to", "#available", "#share", "bar", "how")
    rows = [
        row(
            one.name,
            *_used(one),
            amount(one.available, one.unit) if one.available > 0 else "no limit",
            budget_share(one),
            Cell("", budget=one),
            Cell(one.how, one.how),
        )
        for one in record.rows
    ]
    about = f": {record.description}. " if record.description else ". "
    return (
        Line(
            (
                (record.profile, "strong"),
                (about, ""),
                ("fits every budget", "good") if record.fits else ("does not fit", "bad"),
            )
        ),
        Table("Budgets", heads, rows),
        *(line(note, "quiet") for note in record.notes),
    )


def _used(one: BudgetRow) -> tuple[str, str]:
    """Return what is used, and from where to where where it is estimated."""
    if one.how == "measured":
        return amount(one.used, one.unit), ""
    if one.unit == "us":
        return estimated_latency(one.used, one.low, one.high)
    return amount(one.used, one.unit), f"{amount(one.low, one.unit)} to {amount(one.high, one.unit)}"


def budget_share(row: BudgetRow) -> str:
    """Return the used share of a budget; empty without a limit."""
    if row.available <= 0:
        return ""
    share = row.used / row.available
    return percent(share) if share >= 0.01 or share == 0 else "< 1 %"


SECTION = Section(
    80, "Device fit", lambda trace: device_blocks(trace.device), missing="This run did not check a device."
)
