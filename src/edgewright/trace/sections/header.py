"""Header: run, task, device, verdict, and the key insight linked to the numbers it rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgewright.core.formatting import (
    bytes_text,
    estimated_latency,
    microseconds_text,
    number,
    percent,
    points,
    seconds_text,
    shape_text,
)
from edgewright.schema.trace import Trace
from edgewright.trace.facts import size_text, work_text
from edgewright.trace.headline import headline
from edgewright.trace.insight import LEFT_OUT, reduction, trace_insight
from edgewright.trace.opening import SIMULATED, opening, simulated
from edgewright.trace.readiness import NO_MODEL, NOT_READY, WEAK, state_of
from edgewright.trace.sections import Section
from edgewright.trace.sections.modes import switch
from edgewright.trace.view_blocks import Template, ViewBlock

# A name of a number as the rules of the insight write it -> anchor of what it rests on; the first that fits holds.
_PLACES = (
    (LEFT_OUT, "evaluation-left-out"),
    (r"(accuracy|accuracy low|accuracy high|majority|r2|mae|rmse)$", "evaluation-headline"),
    (r"columns (in|out)$", "data_flow-{reduction}"),
    (r"float (weight bytes|latency us)$", "compression-float"),
    (r"int8 (weight bytes|latency us)$", "compression-int8"),
    (r"accuracy drop$", "compression-limit"),
    (r"(parameters|multiply-accumulates|nodes|comparisons)$", "model"),
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
    """Return the anchor where the number of that name stands; the whole evaluation where no rule knows it."""
    anchor = next((anchor for pattern, anchor in _PLACES if re.match(pattern, name)), "evaluation")
    if "{reduction}" not in anchor:
        return anchor
    stage = reduction(trace.stages)
    return f"data_flow-{trace.stages.index(stage) + 1}" if stage is not None else "data_flow"


def written(name: str, value: float) -> tuple[str, str]:
    """Return the name and the figure as a reader expects them: ('float latency', '4.3 µs')."""
    text = next((write(value) for pattern, write in _WRITTEN if re.match(pattern, name)), number(value))
    name = re.sub(r" at (\d+) rows", lambda found: f" at {int(found[1]):,} rows", name)
    return re.sub(r" (us|seconds)\b", lambda found: " time" if found[1] == "seconds" else "", name), text


_STATES = {
    "running": "This run is in progress; the page shows what it has done so far.",
    "cancelled": "This run was cancelled; the page shows its progress up to then.",
    "failed": "This run failed; the page shows its progress up to then.",
}


def blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build names, state, verdict, the insight's numbers with their anchors, and the figures at a glance."""
    insight = trace.insight
    if not insight.sentence and trace.state == "finished":
        insight = trace_insight(trace)
    numbers = [(*written(name, value), place_of(name, trace)) for name, value in sorted(insight.numbers.items())]
    context: dict[str, object] = {
        "name": trace.name,
        "title": trace.title,
        "task": trace.task,
        "simulated": SIMULATED if simulated(trace) else "",
        "opening": opening(trace),
        "device": trace.device.profile if trace.device is not None else "",
        "started": trace.provenance.started,
        # There is no verdict on half a run: its banner says why.
        "verdict": trace.verdict if trace.state == "finished" else "",
        "mood": {NO_MODEL: "bad", NOT_READY: "bad", WEAK: "weak"}.get(state_of(trace.verdict), "good"),
        "state": _STATES.get(trace.state, ""),
        "reason": trace.reason,
        "sentence": insight.sentence,
        "numbers": numbers,
        "tiles": _tiles(trace),
        "warnings": trace.warnings,
        "switch": switch(trace),
    }
    return (Template("header.html", context),)


def _tiles(trace: Trace) -> list[tuple[str, str, str, str, str]]:
    """Figure, name, what is beside it, how it was got, anchor."""
    tiles = []
    evaluation, compression = trace.evaluation, trace.compression
    first = None if evaluation is None else headline(evaluation.accuracy, evaluation.left_out)
    if first is not None:
        anchor = "evaluation-left-out" if first.by else "evaluation"
        tiles.append((first.figure, first.name, f"{first.span} {first.source}".strip(), "measured", anchor))
    elif evaluation is not None and evaluation.regression:
        (name, value), *others = sorted(evaluation.regression.items())
        rest = ", ".join(f"{other} {number(v)}" for other, v in others)
        tiles.append((number(value), f"test {name}", rest, "measured", "evaluation"))
    if trace.layers:
        figure, name = size_text(trace.layers).split(" ", 1)
        work = work_text(trace.layers).replace("multiply-accumulates", "MACs")
        tiles.append((figure, name, f"{work} an answer" if work else "", "measured", "model"))
    if compression is not None and compression.variants:
        small = compression.variants[-1]
        file = bytes_text(small.file_bytes)
        weights = (bytes_text(small.weight_bytes), f"{small.name} weights", f"file {file}")
        # Trees and rules have no weights.
        tiles.append((*(weights if small.weight_bytes else (file, f"{small.name} file", "")), small.how, "compression"))
        if small.device_us is not None:
            estimate = small.device_us
            figure, span = estimated_latency(estimate.value, estimate.low, estimate.high)
            name = f"a sample on {compression.device or 'the device'}"
            tiles.append((figure, name, span, "estimated", "compression-latency"))
    if trace.stages and trace.stages[0].shape_out:
        tiles.append((shape_text(trace.stages[0].shape_out), "data", trace.stages[0].name, "measured", "data_flow"))
    return tiles


SECTION = Section(0, "Key insight", blocks)
