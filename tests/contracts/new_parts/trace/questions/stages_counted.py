"""A question on how many stages stand before the model."""

from __future__ import annotations

from edgewright.core.records.trace import Trace
from edgewright.trace.questions import Draft, rule


@rule("stages_counted")
def stages_counted(trace: Trace) -> Draft | None:
    """Ask how many stages the data pass."""
    count = len(trace.stages)
    if not count:
        return None
    wrong = [
        part for other in (count + 1, count + 2, count + 5) for part in (str(other), "Count them in the data flow.")
    ]
    why = "Each box of the data flow is one stage."
    return Draft(15, "How many stages does a sample pass?", str(count), why, wrong, f"Data flow: {count}", "data_flow")
