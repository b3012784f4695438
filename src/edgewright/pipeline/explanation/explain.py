"""One prediction, layer by layer: from the raw values to the answer."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import shape_text
from edgewright.core.prediction.objects import oddest
from edgewright.core.records.data import Floats, Samples
from edgewright.core.records.trace import Explained, LayerTrace, PredictionRecord, Trace
from edgewright.pipeline.evaluation.evaluate import LABELS, named
from edgewright.pipeline.evaluation.robustness import objects_text, sample_map, truths_text
from edgewright.pipeline.run_folder.journal import number
from edgewright.trace.blocks.records import Block, Facts, Grid, Heading, Paragraph, card_blocks
from edgewright.trace.modes.reading import summary_blocks
from edgewright.trace.sections.results import prediction_card

_SHOWN = 64


def explain(
    samples: Samples,
    row: int,
    features: Floats,
    model: Any,  # noqa: ANN401 - any model of the room
    *,
    feature_names: tuple[str, ...],
) -> PredictionRecord:
    """Trace one sample through the network.

    Args:
        samples: the data.
        row: number of the sample in it.
        features: shape (1, ...), the sample as the network takes it.
        model: the fitted network.
        feature_names: of the features.
    """
    layers = tuple(_layer(*layer) for layer in model.layer_outputs(features))
    truth = samples.y[row] if samples.y is not None else ""
    raw = samples.X[row] if samples.X.ndim == 2 else samples.X[row, 0].ravel()
    if hasattr(model, "classes_"):
        chances = np.asarray(model.predict_proba(features))[0]
        best = int(np.argmax(chances))
        answer, confidence = str(model.classes_[best]), float(chances[best])
        shares = tuple((str(c), float(p)) for c, p in zip(model.classes_, chances, strict=True))
        right: bool | None = None if samples.y is None else answer == str(truth)
    elif hasattr(model, "objects_"):
        spec = sample_map(model.objects_, samples)
        maps = model.predict(features)
        confidence, shares, right = 1.0, (), None
        if spec.false_alarms is msgspec.UNSET:
            answer, truth = objects_text(maps, spec), truths_text(str(truth))
        else:
            answer = LABELS[int(oddest(maps, spec)[0] >= spec.threshold)]
            right = answer == str(named(np.array([truth]))[0])
    else:
        value = float(np.ravel(model.predict(features))[0])
        answer, confidence, shares, right = f"{value:.6g}", 1.0, (), None
        truth = "" if truth == "" else f"{float(truth):.6g}"
    return PredictionRecord(
        row=row,
        input_names=tuple(column.name for column in samples.columns[: _SHOWN if samples.X.ndim == 2 else 1]),
        feature_names=feature_names[:_SHOWN],
        raw=tuple(number(v) for v in raw[:_SHOWN]),
        features=tuple(float(v) for v in np.ravel(features)[:_SHOWN]),
        layers=layers,
        probabilities=shares,
        answer=answer,
        confidence=confidence,
        truth=str(truth),
        right=right,
        raw_shape=tuple(int(n) for n in samples.X.shape[1:]),
        feature_shape=tuple(int(n) for n in np.shape(features)[1:]),
    )


def one_right_one_wrong(truth: NDArray[Any], probabilities: Floats, classes: NDArray[Any]) -> list[int]:
    """Return positions of a typical right answer and of the most confident wrong one (fewer when there is none).

    The right one is the sample whose confidence is nearest to the median confidence of the right answers.
    """
    best = np.argmax(probabilities, axis=1)
    confidence = probabilities[np.arange(len(best)), best]
    right = classes[best] == truth
    chosen: list[int] = []
    if right.any():
        places = np.flatnonzero(right)
        chosen.append(int(places[np.argmin(np.abs(confidence[places] - np.median(confidence[places])))]))
    if not right.all():
        places = np.flatnonzero(~right)
        chosen.append(int(places[np.argmax(confidence[places])]))
    return chosen


def _layer(name: str, kind: str, activation: str, values: Floats) -> LayerTrace:
    flat = np.ravel(values)
    return LayerTrace(
        name=name,
        kind=kind,
        activation=activation,
        values=tuple(float(f"{v:.6g}") for v in flat[:_SHOWN]),
        active=int((flat > 0).sum()),
        size=int(flat.size),
    )


def pipeline_html(title: str, steps: Sequence[tuple[str, Any]], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Show stages with the shape that arrives and the one that goes on, where `shapes` know them."""
    texts = [shape_text(shape) if shape else "-" for shape in shapes] + ["-"] * (len(steps) + 1 - len(shapes))
    rows = tuple((name, type(step).__name__, texts[i], texts[i + 1]) for i, (name, step) in enumerate(steps))
    caption = "" if shapes else "load it from a TOML file or a run to see shapes"
    grid = Grid(headers=("stage", "class", "one sample in", "out"), rows=rows, caption=caption)
    return _html((Heading(text=title), grid, *_layers(steps[-1][1])))


def run_html(folder: Path, trace: Trace, refused: str) -> str | None:
    """Key insight, verdict, the figures of the summary, and where the page lies."""
    page = folder / "trace.html"
    blocks: list[Block] = [Heading(text=trace.name), *summary_blocks(trace)]
    if refused:
        blocks.append(Paragraph(text=f"No package: {refused}"))
    link = (page.as_posix(), "the page of this run") if page.is_file() else None
    blocks.append(Paragraph(text=f"Run folder {folder}"))
    return _html(tuple(blocks), link=link)


def explained_html(record: Explained) -> str | None:
    """Return the answer, its way through the network, and what lies outside the declared ranges."""
    return _html((Heading(text=f"{record.run}: {record.origin}"), *explained_blocks(record)))


def explained_blocks(record: Explained) -> tuple[Block, ...]:
    """Return a prediction that was asked for, as blocks."""
    warned = tuple(Paragraph(text=f"Outside the declared range: {text}") for text in record.outside)
    return (*card_blocks(prediction_card(record.prediction)), *warned, *(Paragraph(text=text) for text in record.notes))


def _layers(model: Any) -> tuple[Block, ...]:  # noqa: ANN401 - any estimator
    """Return parameters of a fitted network."""
    ask: Callable[[], Any] | None = getattr(model, "layer_records", None)
    if ask is None or not hasattr(model, "shape_"):
        return ()
    records = ask()
    rows = tuple((layer.name, f"{shape_text(layer.shape_out)}, {layer.parameters:,} parameters") for layer in records)
    return (Facts(rows=rows),)


def _html(blocks: tuple[Block, ...], *, link: tuple[str, str] | None = None) -> str | None:
    """Return a cell; None, for which a notebook shows plain text, where Jinja2 is absent."""
    try:
        room = importlib.import_module("edgewright.trace.html")
    except ModuleNotFoundError:
        return None
    html: str = room.notebook_html(blocks, link=link)
    return html
