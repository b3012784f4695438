"""Training trace: loss and accuracy over the epochs of one run or several, and a table with an observation each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewright.core.formatting import fraction, number, percent
from edgewright.schema.trace import EpochRecord, Trace, TrainingRecord
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
    ViewBlock,
    row,
)
from edgewright.trace.sections import Section
from edgewright.trace.sentences.facts import training_facts
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
    """Return the chart of one figure; None where a run lacks it."""
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


SECTION = Section(
    30, "Training trace", lambda trace: training_blocks(trace.training), missing="This run has no training epochs."
)
