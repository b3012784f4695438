"""Device fit: what is used of each budget of the profile, with the error bar of what is only estimated."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from edgewright.schema.trace import BudgetRow, Trace
from edgewright.trace.bars import budget_bar
from edgewright.trace.facts import budget_share
from edgewright.trace.sections import Section
from edgewright.trace.words import amount


def view(trace: Trace) -> Mapping[str, object] | None:
    """A row a budget."""
    record = trace.device
    if record is None:
        return None
    return {
        "record": record,
        "rows": [
            {
                "row": row,
                "used": amount(row.used, row.unit),
                "span": "" if row.how == "measured" else f"{amount(row.low, row.unit)} to {amount(row.high, row.unit)}",
                "available": amount(row.available, row.unit) if row.available > 0 else "no limit",
                "share": budget_share(row),
                "bar": _bar(row),
            }
            for row in record.rows
        ],
    }


def _bar(row: BudgetRow) -> Markup | str:
    if row.available <= 0:
        return ""
    state = "over" if row.used > row.available else "near" if row.high > row.available else "fits"
    word = {"over": "too much", "near": "may be too much", "fits": "fits"}[state]
    label = f"{row.name}: {budget_share(row)} of the budget, {word}"
    return budget_bar(row.used, row.low, row.high, row.available, state, label)


SECTION = Section(80, "Device fit", view, missing="No device was judged in this run.")
