"""On which samples stages are fitted."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import FLOW
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question


def ask(trace: Trace) -> Question | None:
    """Asked of the first stage that was fitted on some of the samples only."""
    fitted = (s for s in trace.stages if s.shape_in and 0 < s.fitted_on < s.shape_in[0] and s.kind != "model")
    stage = next(fitted, None)
    if stage is None:
        return None
    total, used = stage.shape_in[0], stage.fitted_on
    return question(
        trace,
        Ask(
            name="fitted_on",
            text=f"{total:,} samples pass the stage '{stage.name}'. Which of them was it fitted on?",
            right=(
                f"The {used:,} that do not evaluate",
                f"What it learns from data must not come from the other {total - used:,}: they are to be as new to the "
                "pipeline as samples of the device will be.",
            ),
            wrong=(
                (f"All {total:,}", f"Then the {total - used:,} test samples would have shaped what they judge."),
                (f"The {total - used:,} that evaluate", "Nothing may be learned from them: they are looked at once."),
                ("None: it is computed from each sample alone", "It keeps figures of the training samples and uses "
                 f"them for every sample; they come from {used:,} of them."),
            ),
            rests_on=f"Data flow, {stage.name}: fitted on {used:,} training samples",
            anchor=FLOW,
        ),
    )  # fmt: skip


RULE = Rule(rank=12, ask=ask)
