"""Where on the page a number of the key insight stands, and how it is written."""

from __future__ import annotations

import re

from edgewright.schema.trace import Trace
from edgewright.trace.insight import reduction
from edgewright.trace.words import bytes_text, microseconds_text, number, percent, points, seconds_text

# A name of a number as the rules of the insight write it -> anchor of what it rests on; the first that fits holds.
_PLACES = (
    (r"(accuracy|accuracy low|accuracy high|majority|r2|mae|rmse)$", "evaluation-headline"),
    (r"columns (in|out)$", "data_flow-{reduction}"),
    (r"float (weight bytes|latency us)$", "compression-float"),
    (r"int8 (weight bytes|latency us)$", "compression-int8"),
    (r"accuracy drop$", "compression-limit"),
    (r"(parameters|multiply-accumulates)$", "model"),
    (r"stages$", "data_flow"),
    (r".*(exponent)$", "scaling-exponents"),
    (r"(.* at \d+ rows|pays from rows)$", "scaling-points"),
)
_WRITTEN = (
    (r".*CPU seconds", seconds_text),
    (r".*(latency us)$", microseconds_text),
    (r".*bytes$", bytes_text),
    (r"accuracy drop$", lambda value: f"{'-' if value < 0 else ''}{points(value)}"),
    (r"(majority$|.*accuracy)", lambda value: percent(value, 1)),
    (r".*exponent$", lambda value: f"{value:.2f}"),
)


def place_of(name: str, trace: Trace) -> str:
    """The anchor where the number of that name stands; the whole evaluation where no rule knows it."""
    anchor = next((anchor for pattern, anchor in _PLACES if re.match(pattern, name)), "evaluation")
    if "{reduction}" not in anchor:
        return anchor
    stage = reduction(trace.stages)
    return f"data_flow-{trace.stages.index(stage) + 1}" if stage is not None else "data_flow"


def written(name: str, value: float) -> tuple[str, str]:
    """The name and the figure as a reader expects them: ('float latency', '4.3 µs')."""
    text = next((write(value) for pattern, write in _WRITTEN if re.match(pattern, name)), number(value))
    name = re.sub(r" at (\d+) rows", lambda found: f" at {int(found[1]):,} rows", name)
    return re.sub(r" (us|seconds)\b", lambda found: " time" if found[1] == "seconds" else "", name), text
