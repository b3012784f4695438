"""Device fit: how much of each budget of the profile is used, with the error bar of what is only estimated."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import amount, estimated_latency
from edgewright.schema.trace import BudgetRow, DeviceRecord, Trace
from edgewright.trace.blocks.view_blocks import Cell, Line, Table, ViewBlock, line, row
from edgewright.trace.sections import Section
from edgewright.trace.sentences.facts import budget_share


def device_blocks(record: DeviceRecord | None) -> Sequence[ViewBlock]:
    """Build the verdict, a row for each budget, and notes."""
    if record is None:
        return ()
    heads = ("budget", "#used", "#from - to", "#available", "#share", "bar", "how")
    rows = [
        row(
            budget.name,
            *_used(budget),
            amount(budget.available, budget.unit) if budget.available > 0 else "no limit",
            budget_share(budget),
            Cell("", budget=budget),
            Cell(budget.how, budget.how),
        )
        for budget in record.rows
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


def _used(budget: BudgetRow) -> tuple[str, str]:
    """Return what is used, and from where to where where it is estimated."""
    if budget.how == "measured":
        return amount(budget.used, budget.unit), ""
    if budget.unit == "us":
        return estimated_latency(budget.used, budget.low, budget.high)
    return amount(budget.used, budget.unit), f"{amount(budget.low, budget.unit)} to {amount(budget.high, budget.unit)}"


def unnoticed_blocks(missed: Sequence[str]) -> Sequence[ViewBlock]:
    """Build the list of what a comparison of later data with the training data does not show; empty for none."""
    if not missed:
        return ()
    return (
        line("The command edgewright drift compares later data with the training data. It does not see these changes."),
        Table("This model cannot notice", ("change of the data",), [row(text) for text in missed]),
    )


def _blocks(trace: Trace) -> Sequence[ViewBlock]:
    return (*device_blocks(trace.device), *unnoticed_blocks(trace.unnoticed))


SECTION = Section(80, "Device fit", _blocks, missing="This run did not check a device.")
