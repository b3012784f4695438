"""Sections about training: its epochs, a network that trains in the page, and what another setting changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import msgspec
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from edgewright.core.errors import EdgewrightError
from edgewright.core.formatting import bytes_text, fraction, number, percent, some_of
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import EpochRecord, Trace, TrainingRecord
from edgewright.core.records.trace_flow import (
    TRAINABLE_KINDS,
    TRAINABLE_PARAMETERS,
    Channel,
    ClassSample,
    ClassSamples,
    TrainableNetwork,
)
from edgewright.trace.blocks.view_blocks import (
    CURVES,
    MOST_POINTS,
    Cell,
    Chart,
    Charts,
    Curve,
    Fold,
    Items,
    Table,
    Template,
    ViewBlock,
    line,
    row,
)
from edgewright.trace.page_model import PageModel, packed, page_model
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.facts import config_table, parameter_count, training_facts
from edgewright.trace.sentences.observations import notable

_FIELDS = (("Validation loss", "validation_loss"), ("Loss", "loss"), ("Validation accuracy", "validation_accuracy"))


def overlaid(traces: Mapping[str, Trace]) -> Charts | None:
    """Return loss and accuracy over the epochs of the first runs that have epochs, at most `CURVES`.

    Args:
        traces: by the run's label.

    Returns:
        None for fewer than two runs with epochs. A figure that one of the runs lacks is left out, so that a run has one
        colour in all charts; the training loss is drawn only where there is no validation loss.
    """
    trained = {
        label: trace.training.epochs
        for label, trace in traces.items()
        if trace.training is not None and len(trace.training.epochs) > 1
    }
    shown = dict(list(trained.items())[:CURVES])
    if len(shown) < 2:
        return None
    charts = [chart for title, field in _FIELDS if (chart := _chart(title, field, shown)) is not None]
    if len(charts) > 1 and charts[0].title == _FIELDS[0][0]:
        charts = [chart for chart in charts if chart.title != _FIELDS[1][0]]
    return Charts(charts) if charts else None


def _chart(title: str, field: str, epochs: Mapping[str, tuple[EpochRecord, ...]]) -> Chart | None:
    curves = []
    for label, records in epochs.items():
        points = [(float(e.epoch), getattr(e, field)) for e in records]
        known = tuple((x, float(y)) for x, y in points if y is not None and abs(y) < float("inf"))
        if not known:
            return None
        curves.append(Curve(label, known))
    text = percent if field.endswith("accuracy") else number
    ends = "; ".join(f"{curve.name} ends at {text(curve.points[-1][1])}" for curve in curves)
    unit = "share" if field.endswith("accuracy") else ""
    return Chart(title, "epoch", tuple(curves), f"{title} of {len(curves)} runs over their epochs: {ends}.", unit=unit)


# Rows of the folded table at most: a page stays small however long training went on. The record has them all.
_MOST_ROWS = 400
_FEW = 30
_SIDES = (("training", ""), ("validation", "validation_"))
FIGURES = (
    ("loss", "loss"),
    ("accuracy", "accuracy"),
    ("validation loss", "validation_loss"),
    ("validation accuracy", "validation_accuracy"),
)


def training_blocks(training: TrainingRecord | None) -> Sequence[ViewBlock]:
    """Build facts, charts, and the epochs: all, or the notable ones with the rest folded."""
    if training is None:
        return ()
    blocks: list[ViewBlock] = [Items(facts) for facts in training_facts(training) if facts]
    epochs, best = training.epochs, training.best_epoch
    if not epochs:
        return blocks
    shown = notable(epochs)
    panels = charts(epochs, best)
    if panels:
        some = f" The curves show {MOST_POINTS} of {len(epochs):,} epochs, evenly spaced."
        note = f"The dashed line marks epoch {best}, whose weights were kept."
        blocks.append(Charts(panels, note + some * (len(epochs) > MOST_POINTS)))
    if len(shown) == len(epochs):
        return [*blocks, epoch_table("Epoch by epoch", shown, best, "training-")]
    step = -(-len(epochs) // _MOST_ROWS)
    title = (
        f"All {len(epochs):,} epochs"
        if step == 1
        else f"1 in {step} of all {len(epochs):,} epochs; the record has the rest"
    )
    return [
        *blocks,
        epoch_table(f"{len(shown)} of {len(epochs):,} epochs, those with an event", shown, best, "training-"),
        Fold(title, [epoch_table("Epoch by epoch", epochs[::step], best)]),
    ]


def epoch_table(caption: str, epochs: Sequence[EpochRecord], best: int, prefix: str = "") -> Table:
    """Build a row for each epoch with its observation; anchors of the rows begin with `prefix` where there is one."""
    known = [(head, name) for head, name in FIGURES if any(getattr(e, name) is not None for e in epochs)]
    rows = [
        row(
            f"{e.epoch}",
            *(fraction(getattr(e, name)) for _, name in known),
            Cell(e.observation, "sentence", tag="kept" if e.epoch == best else ""),
            anchor=f"{prefix}{e.epoch}" if prefix else "",
            kind="best" if e.epoch == best else "",
        )
        for e in epochs
    ]
    return Table(caption, ("#epoch", *(f"#{head}" for head, _ in known), "observation"), rows, "measured")


def charts(epochs: Sequence[EpochRecord], best_epoch: int = 0) -> list[Chart]:
    """Return loss and, for classes, accuracy over the epochs; none for fewer than two epochs."""
    if len(epochs) < 2:
        return []
    best = float(best_epoch) if any(e.epoch == best_epoch for e in epochs) else None
    panels = []
    for title, field in (("Loss", "loss"), ("Accuracy", "accuracy")):
        curves = tuple(curve for side, prefix in _SIDES if (curve := _curve(side, prefix + field, epochs)).points)
        if curves:
            text = "; ".join(f"{c.name} from {fraction(c.points[0][1])} to {fraction(c.points[-1][1])}" for c in curves)
            label = f"{title} over {len(epochs):,} epochs: {text}. The table below has the figures."
            unit = "share" if field == "accuracy" else ""
            panels.append(Chart(title, "epoch", curves, label, mark_x=best, dots=len(epochs) <= _FEW, unit=unit))
    return panels


def _curve(name: str, field: str, epochs: Sequence[EpochRecord]) -> Curve:
    points = [(float(e.epoch), getattr(e, field)) for e in epochs if getattr(e, field) is not None]
    return Curve(name, tuple((x, float(y)) for x, y in points if abs(y) < float("inf")))


TRAINING = Section(
    30, "Training trace", lambda trace: training_blocks(trace.training), missing="This run has no training epochs."
)


# Training samples that a page has at least, of rows and of windows.
_FEWEST, _FEWEST_WINDOWS = 200, 40
# Of the parameters of the run: what a small network has at most.
_SMALL = 20


def train_page(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the form with the samples, as many as fit the page."""
    known = trace.trainable
    if trace.training is None or trace.state != "finished":
        return ()
    if known is None:
        return tuple(line(text) for text in (_absent(trace),) if text)
    values, targets = _sides(known)
    frame = exported.size((Template("train.html", _context(trace, known, known.training, known.validation)),))
    size = len(packed(known.values)) + len(packed(known.targets))
    share = min(1.0, (exported.room - frame) / size)
    kept = [int(share * n) for n in (known.training, known.validation)]
    if kept[0] < min(_FEWEST if known.samples == 1 else _FEWEST_WINDOWS, known.training):
        left = bytes_text(max(0, exported.room - frame))
        return (line(f"The samples are too large for the page: they take {bytes_text(size)}, and {left} are left."),)
    count = known.training + known.validation
    chosen = np.concatenate([_spread(0, known.training, kept[0]), _spread(known.training, count, kept[1])])
    context = _context(trace, known, *kept)
    context |= {"values": packed(values[chosen].tobytes()), "targets": packed(targets[chosen].tobytes())}
    return (Template("train.html", context),)


def _absent(trace: Trace) -> str:
    """Return why the page does not train this network; empty where that is the run's own choice."""
    others = dict.fromkeys(layer.kind for layer in trace.layers if layer.kind not in TRAINABLE_KINDS)
    if others:
        return f"The page trains dense layers, convolutions over windows and pools, not {' and '.join(others)}."
    parameters = parameter_count(trace.layers)
    if parameters > TRAINABLE_PARAMETERS:
        return f"The page trains networks of up to {TRAINABLE_PARAMETERS:,} parameters; this one has {parameters:,}."
    return ""


def _context(trace: Trace, known: TrainableNetwork, training: int, validation: int) -> dict[str, object]:
    return {
        "recipe": Markup(escape(_recipe(trace, known, training, validation), quote=False)),  # noqa: S704 - escaped
        "values": "",
        "targets": "",
        "training": training,
        "whole": training == known.training_samples and known.encoding == "float32" and not known.differences,
        "known": known,
        "parameters": parameter_count(trace.layers),
        "small": _small(trace, known),
        "layers": _shape(known),
        "faster": _times(trace) is not None,
        "grows": trace.scaling is not None and known.samples == 1,
    }


def _sides(known: TrainableNetwork) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    count = known.training + known.validation
    values = np.frombuffer(known.values, np.uint8).reshape(count, -1)
    return values, np.frombuffer(known.targets, np.uint8).reshape(count, -1)


def _spread(first: int, end: int, count: int) -> NDArray[np.int64]:
    return np.linspace(first, end - 1, count).astype(np.int64)


def _shape(known: TrainableNetwork) -> str:
    inputs = len(known.names) + len(known.left)
    first = str(inputs) if known.samples == 1 else f"{inputs}×{known.samples}"
    return "-".join([first, *(str(layer.units) for layer in known.layers if layer.units)])


def _small(trace: Trace, known: TrainableNetwork) -> int:
    """Return the parameters of a small network: a share of the run's, enough for two units or none; 0 for no such."""
    inputs, outputs = (len(known.names) + len(known.left)) * known.samples, known.layers[-1].units
    fewest = min((inputs + 1) * outputs, 2 * (inputs + 1) + 3 * outputs)
    small = max(parameter_count(trace.layers) // _SMALL, fewest)
    return small if small < parameter_count(trace.layers) else 0


def _times(trace: Trace) -> list[list[float]] | None:
    """Return parameters, and microseconds as float and as int8, of this network and of the large one."""
    record, megabytes = trace.compression, config_table(trace, "compression").get("reference_megabytes")
    if record is None or record.reference is None or not isinstance(megabytes, float) or len(record.variants) < 2:
        return None
    whole, small = record.variants[0].latency_p50_us, record.variants[-1].latency_p50_us
    if not whole or not small:
        return None
    large = record.reference
    return [[parameter_count(trace.layers), whole, small], [megabytes * 250_000, large.float_us, large.int8_us]]


def _recipe(trace: Trace, known: TrainableNetwork, training: int, validation: int) -> str:
    """Return the network, how it is trained, and the run's own curves as JSON."""
    table = msgspec.to_builtins(known)
    for name in ("values", "targets"):
        del table[name]
    epochs = [] if trace.training is None else trace.training.epochs
    table |= {
        "training": training,
        "validation": validation,
        "curves": [[e.loss, e.accuracy, e.validation_loss, e.validation_accuracy] for e in epochs],
        "small": _small(trace, known),
        "times": _times(trace),
        "grows": trace.scaling is not None,
    }
    return msgspec.json.encode(table).decode()


TRAIN = Section(
    63, "Train it here", lambda trace: (), page=train_page, last=True, folds=False, tab="steps",
)  # fmt: skip


_SLIDERS = 24
_SIGNAL = (
    # name, text, lowest, highest, step, rest
    ("gain", "Gain", "0", "3", "0.01", "1"),
    ("offset", "Offset, in deviations of the channel", "-3", "3", "0.01", "0"),
    ("noise", "Noise, in deviations of the channel", "0", "2", "0.01", "0"),
)


def what_if_page(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
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
    return (Template("what_if.html", _what_if_context(trace, known, graph, model, samples)),)


def _model(graph: Graph) -> PageModel:
    try:
        return page_model(graph)
    except EdgewrightError as error:
        return PageModel(missing=(str(error),))


def _size(samples: Sequence[ClassSample]) -> int:
    return sum(len(packed(sample.values)) + 100 for sample in samples)


def _what_if_context(
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


WHAT_IF = Section(62, "What if", lambda trace: (), page=what_if_page, last=True)


SECTIONS = {
    "training": TRAINING,
    "train": TRAIN,
    "what_if": WHAT_IF,
}
