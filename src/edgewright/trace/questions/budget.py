"""How much of the tightest budget of the device is used."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import BudgetRow, Trace
from edgewright.trace.anchors import DEVICE
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import amount, percent


def ask(trace: Trace) -> Question | None:
    """Asked of the budget that is filled most, where the device sets limits."""
    device = trace.device
    rows = [] if device is None else [r for r in device.rows if r.available > 0 and r.used > 0]
    if device is None or not rows:
        return None
    row = max(rows, key=lambda r: (r.used / r.available, r.name))
    others = [r for r in rows if r is not row]
    wrong = [(_said(r), f"That budget is used less: {percent(r.used / r.available, 1)}.") for r in others
             if percent(r.used / r.available, 1) != percent(row.used / row.available, 1)]  # fmt: skip
    for factor, word in ((10.0, "ten times"), (0.1, "a tenth of"), (3.0, "three times")):
        share = factor * row.used / row.available
        wrong.append((f"{row.name}: {percent(share, 1)} of it", f"That is {word} what is used: {_figures(row)}."))
    return question(
        trace,
        Ask(
            name="budget",
            text=f"Which budget of {device.profile} does this model fill most, and how far?",
            right=(_said(row), f"{_figures(row)}, {row.how}."),
            wrong=wrong,
            rests_on=f"Device fit, {row.name}: {_figures(row)}",
            anchor=DEVICE,
        ),
    )


def _said(row: BudgetRow) -> str:
    return f"{row.name}: {percent(row.used / row.available, 1)} of it"


def _figures(row: BudgetRow) -> str:
    return f"{amount(row.used, row.unit)} of {amount(row.available, row.unit)}"


RULE = Rule(rank=60, ask=ask)
