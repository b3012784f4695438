"""Key insight: one sentence, linked to the numbers that it rests on, and what the run warns of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgewright.core.formatting import bytes_text, microseconds_text, number, percent, points, seconds_text
from edgewright.schema.trace import Trace
from edgewright.trace.blocks.view_blocks import Template, ViewBlock
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.insight import LEFT_OUT, reduction, trace_insight

# A name of a number as the rules of the insight write it -> anchor of what it rests on; the first that fits holds.
_PLACES = (
    (LEFT_OUT, "evaluation-left-out"),
    (r"(accuracy|accuracy low|accuracy high|majority|r2|mae|rmse)$", "evaluation-headline"),
    (r"columns (in|out)$", "data_flow-{reduction}"),
    (r"float (weight bytes|latency us)$", "compression-float"),
    (r"int8 (weight bytes|latency us)$", "compression-int8"),
    (r"accuracy drop$", "compression-limit"),
    (r"(parameters|multiply-accumulates|nodes|comparisons)$", "model"),
    (r"(stages|highest score of a column)$", "data_flow"),
    (r"(best epoch|validation accuracy)$", "training"),
    (r".*(exponent)$", "scaling-exponents"),
    (r"(.* at \d+ rows|pays from rows)$", "scaling-points"),
)
_WRITTEN = (
    (r".*CPU seconds", seconds_text),
    (r".*(latency us)$", microseconds_text),
    (r".*bytes$", bytes_text),
    (r"accuracy drop$", lambda value: f"{'-' if value < 0 else ''}{points(value)}"),
    (r"(majority$|.*accuracy|recall of|confidence of)", lambda value: percent(value, 1)),
    (r".*exponent$", lambda value: f"{value:.2f}"),
)


def place_of(name: str, trace: Trace) -> str:
    """Return the anchor where the number of that name stands; the whole evaluation where no rule knows it."""
    anchor = next((anchor for pattern, anchor in _PLACES if re.match(pattern, name)), "evaluation")
    if "{reduction}" not in anchor:
        return anchor
    stage = reduction(trace.stages)
    return f"data_flow-{trace.stages.index(stage) + 1}" if stage is not None else "data_flow"


def written(name: str, value: float) -> tuple[str, str]:
    """Return the name and the figure as a reader expects them: ('float latency', '4.3 µs')."""
    text = next((write(value) for pattern, write in _WRITTEN if re.match(pattern, name)), number(value))
    name = re.sub(r" at (\d+) rows", lambda match: f" at {int(match[1]):,} rows", name)
    return re.sub(r" (us|seconds)\b", lambda match: " time" if match[1] == "seconds" else "", name), text


def page_blocks(trace: Trace, _: Exported) -> Sequence[ViewBlock]:
    """Build the sentence, the numbers with their anchors, and the warnings; nothing where there is neither."""
    insight = trace.insight
    if not insight.sentence and trace.state == "finished":
        insight = trace_insight(trace)
    if not insight.sentence and not trace.warnings:
        return ()
    numbers = [(*written(name, value), place_of(name, trace)) for name, value in sorted(insight.numbers.items())]
    context = {"sentence": insight.sentence, "numbers": numbers, "warnings": trace.warnings}
    return (Template("insight.html", context),)


SECTION = Section(5, "Key insight", lambda trace: (), page=page_blocks, folds=False)
