"""What if: sliders that change a sample, answered by the exported model, which the page runs itself."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import bytes_text, percent, some_of
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.graph import Graph
from edgewright.schema.trace import Trace
from edgewright.schema.trace_flow import Channel, ClassSample, ClassSamples
from edgewright.trace.blocks.view_blocks import Template, ViewBlock, line
from edgewright.trace.page_model import PageModel, packed, page_model
from edgewright.trace.sections import Exported, Section

_SLIDERS = 24
_SIGNAL = (
    # name, text, lowest, highest, step, rest
    ("gain", "Gain", "0", "3", "0.01", "1"),
    ("offset", "Offset, in deviations of the channel", "-3", "3", "0.01", "0"),
    ("noise", "Noise, in deviations of the channel", "0", "2", "0.01", "0"),
)


def page_blocks(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the form with the model, or say why there is none."""
    known, graph = trace.samples, exported.graph
    if known is None or not known.samples or graph is None or trace.state != "finished":
        return ()
    model = _model(graph)
    if model.missing:
        return (line(f"The page cannot run this model: it does not know {some_of(list(model.missing), 6)}."),)
    samples = [sample for sample in known.samples if sample.step == 1]
    needed = len(model.weights) + len(model.program)
    while len(samples) > 1 and needed + _size(samples) > exported.room:
        samples.pop()
    if needed + _size(samples) > exported.room:
        size = bytes_text(needed + _size(samples))
        left = bytes_text(max(0, exported.room))
        return (line(f"This model is too large for the page: it takes {size}, and {left} are left of its 400 kB."),)
    return (Template("what_if.html", _context(trace, known, graph, model, samples)),)


def _model(graph: Graph) -> PageModel:
    try:
        return page_model(graph)
    except EdgewrightError as error:
        return PageModel(missing=(str(error),))


def _size(samples: Sequence[ClassSample]) -> int:
    return sum(len(packed(sample.values)) + 100 for sample in samples)


def _context(
    trace: Trace, known: ClassSamples, graph: Graph, model: PageModel, samples: Sequence[ClassSample]
) -> dict[str, object]:
    sure = bool(graph.labels)
    options = [
        (
            f"{'Window' if len(known.shape) > 1 else 'Row'} {sample.row + 1:,}: {sample.truth}",
            packed(sample.values),
            f"{sample.answer}, {percent(sample.confidence, 1)}" if sure else sample.answer,
        )
        for sample in samples
    ]
    columns = _columns(known, samples) if len(known.shape) == 1 else []
    return {
        "model": model,
        "shape": ",".join(map(str, known.shape)),
        "options": options,
        "columns": columns,
        "unshown": len(known.channels) - len(columns) if columns else 0,
        "sliders": [] if columns else _SIGNAL,
        "channels": () if columns else known.channels,
        "spreads": ",".join(f"{channel.deviation:g}" for channel in known.channels),
        "labels": graph.labels,
        "output": "" if sure else _amount(trace),
    }


def _amount(trace: Trace) -> str:
    names = next((stage.names_after for stage in trace.stages if stage.kind == "model"), ())
    return names[0] if names else "prediction"


def _columns(known: ClassSamples, samples: Sequence[ClassSample]) -> list[tuple[int, Channel, str]]:
    """Return the columns that get a slider, those first that matter most to any of the samples, with its step."""
    weight = {channel.name: 0.0 for channel in known.channels}
    for sample in samples:
        for effect in sample.effects:
            weight[effect.name] = max(weight.get(effect.name, 0.0), abs(effect.drop))
    order = sorted(range(len(known.channels)), key=lambda i: (-weight[known.channels[i].name], i))
    chosen = [i for i in order if known.channels[i].high > known.channels[i].low][:_SLIDERS]
    return [(i, known.channels[i], "any") for i in chosen]


SECTION = Section(62, "What if", lambda trace: (), page=page_blocks, last=True)
