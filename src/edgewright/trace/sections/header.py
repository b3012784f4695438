"""Header: run, task, device, verdict, and the key insight linked to the numbers it rests on."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.schema.trace import Trace
from edgewright.trace.insight import trace_insight
from edgewright.trace.sections import Section
from edgewright.trace.sections._anchors import place_of, written
from edgewright.trace.words import bytes_text, microseconds_text, number, percent, shape_text

_STATES = {
    "running": "This run goes on: what stands here is what it has done so far.",
    "cancelled": "This run was cancelled: the page shows what stood by then.",
    "failed": "This run failed: the page shows what stood by then.",
}


def view(trace: Trace) -> Mapping[str, object]:
    """Names, state, verdict, the insight's numbers with their anchors, and the figures at a glance."""
    insight = trace.insight
    if not insight.sentence and trace.state == "finished":
        insight = trace_insight(trace)
    numbers = [(*written(name, value), place_of(name, trace)) for name, value in sorted(insight.numbers.items())]
    return {
        "name": trace.name,
        "title": trace.title,
        "task": trace.task,
        "device": trace.device.profile if trace.device is not None else "",
        "started": trace.provenance.started,
        # There is no verdict on half a run: its banner says why.
        "verdict": trace.verdict if trace.state == "finished" else "",
        "good": not trace.verdict.startswith("not ready"),
        "state": _STATES.get(trace.state, ""),
        "reason": trace.reason,
        "sentence": insight.sentence,
        "numbers": numbers,
        "tiles": _tiles(trace),
        "warnings": trace.warnings,
    }


def _tiles(trace: Trace) -> list[tuple[str, str, str, str, str]]:
    """Figure, name, what is beside it, how it was got, anchor."""
    tiles = []
    evaluation, compression = trace.evaluation, trace.compression
    if evaluation is not None and evaluation.accuracy is not None:
        interval = evaluation.accuracy
        span = f"{percent(interval.low, 1)} to {percent(interval.high, 1)}"
        tiles.append((percent(interval.value, 1), "test accuracy", span, "measured", "evaluation"))
    elif evaluation is not None and evaluation.regression:
        first, value = next(iter(sorted(evaluation.regression.items())))
        rest = ", ".join(f"{name} {number(v)}" for name, v in sorted(evaluation.regression.items()) if name != first)
        tiles.append((number(value), f"test {first}", rest, "measured", "evaluation"))
    if trace.layers:
        parameters = sum(layer.parameters for layer in trace.layers)
        macs = sum(layer.macs for layer in trace.layers)
        tiles.append((f"{parameters:,}", "parameters", f"{macs:,} MACs an answer", "measured", "model"))
    if compression is not None and compression.variants:
        small = compression.variants[-1]
        beside = f"file {bytes_text(small.file_bytes)}"
        tiles.append((bytes_text(small.weight_bytes), f"{small.name} weights", beside, small.how, "compression"))
        if small.device_us is not None:
            estimate = small.device_us
            span = f"{microseconds_text(estimate.low)} to {microseconds_text(estimate.high)}"
            name = f"a sample on {compression.device or 'the device'}"
            tiles.append((microseconds_text(estimate.value), name, span, "estimated", "compression-latency"))
    if trace.stages and trace.stages[0].shape_out:
        tiles.append((shape_text(trace.stages[0].shape_out), "data", trace.stages[0].name, "measured", "data_flow"))
    return tiles


SECTION = Section(0, "Key insight", view)
