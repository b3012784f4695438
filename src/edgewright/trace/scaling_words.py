"""How a comparison over data sizes says its fitted laws, on the page and on the terminal alike."""

from __future__ import annotations

from edgewright.schema.trace import Interval, ScalingRecord
from edgewright.schema.trace_scaling import BreakEven


def exponent_text(record: ScalingRecord, name: str, measure: str) -> str:
    """'0.98 (0.95 to 1.01)', without an interval where there are too few sizes, '-' where it was not fitted."""
    if measure not in record.exponents.get(name, {}):
        return "-"
    value = f"{record.exponents[name][measure]:.2f}"
    found = record.intervals.get(name, {}).get(measure)
    return f"{value} ({found.low:.2f} to {found.high:.2f})" if found else value


def law_rows(record: ScalingRecord) -> list[tuple[str, str, str, str]]:
    """Of every architecture: the power by which its error falls, the floor, and the error at twice the rows."""
    return [
        (name, _between(law.exponent, 2), f"{law.floor:.4g}", f"{_between(law.predicted, 4)} at {law.at:,.0f}")
        for name, law in sorted(record.laws.items())
    ]


def break_even_text(found: BreakEven | None) -> str:
    """From where the larger one is better, in a sentence; empty where there is nothing to compare."""
    if found is None:
        return ""
    if found.rows is None and found.low is None and found.high is None:
        return "The curves of the largest and the smallest architecture do not cross within these sizes."
    low = "fewer than the smallest size" if found.low is None else f"{found.low:,.0f}"
    high = "more than the largest size" if found.high is None else f"{found.high:,.0f}"
    aside = "below these sizes" if found.low is None else "beyond these sizes"
    here = aside if found.rows is None else f"at {found.rows:,.0f} rows"
    return f"The largest architecture overtakes the smallest {here} (90 %: {low} to {high})."


def _between(found: Interval, digits: int) -> str:
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
