"""Training trace: loss and accuracy over the epochs, and a table by epoch with an observation each."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import fraction
from edgewright.schema.trace import EpochRecord, TrainingRecord
from edgewright.trace.facts import training_facts
from edgewright.trace.observations import notable
from edgewright.trace.sections import Section
from edgewright.trace.view_blocks import (
    MOST_POINTS,
    Cell,
    Chart,
    Charts,
    Curve,
    Fold,
    Items,
    Table,
    ViewBlock,
    line,
    row,
)

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
    if training is None or not training.epochs:
        return ()
    epochs, best = training.epochs, training.best_epoch
    shown = notable(epochs)
    known = [(head, name) for head, name in FIGURES if any(getattr(e, name) is not None for e in epochs)]
    heads = ("#epoch", *(f"#{head}" for head, _ in known), "observation")

    def table(caption: str, some: Sequence[EpochRecord], prefix: str = "") -> Table:
        rows = [
            row(
                f"{e.epoch}",
                *(fraction(getattr(e, name)) for _, name in known),
                Cell(e.observation, "sentence", tag="kept" if e.epoch == best else ""),
                anchor=f"{prefix}{e.epoch}" if prefix else "",
                kind="best" if e.epoch == best else "",
            )
            for e in some
        ]
        return Table(caption, heads, rows, "measured")

    made: list[ViewBlock] = [Items(facts) for facts in training_facts(training) if facts]
    drawn = charts(epochs, best)
    if drawn:
        some = f" The curves show {MOST_POINTS} of {len(epochs):,} epochs, evenly spaced."
        note = f"The dashed line marks epoch {best}, whose weights were kept."
        made += [Charts(drawn), line(note + some * (len(epochs) > MOST_POINTS), "quiet")]
    if len(shown) == len(epochs):
        return [*made, table("Epoch by epoch", shown, "training-")]
    step = -(-len(epochs) // _MOST_ROWS)
    title = (
        f"All {len(epochs):,} epochs"
        if step == 1
        else f"1 in {step} of all {len(epochs):,} epochs; the record has the rest"
    )
    return [
        *made,
        table(f"{len(shown)} of {len(epochs):,} epochs, those with an event", shown, "training-"),
        Fold(title, [table("Epoch by epoch", epochs[::step])]),
    ]


def charts(epochs: Sequence[EpochRecord], best_epoch: int = 0) -> list[Chart]:
    """Return loss and, for classes, accuracy over the epochs; none for fewer than two epochs."""
    if len(epochs) < 2:
        return []
    best = float(best_epoch) if any(e.epoch == best_epoch for e in epochs) else None
    made = []
    for title, field in (("Loss", "loss"), ("Accuracy", "accuracy")):
        curves = tuple(curve for side, prefix in _SIDES if (curve := _curve(side, prefix + field, epochs)).points)
        if curves:
            text = "; ".join(f"{c.name} from {fraction(c.points[0][1])} to {fraction(c.points[-1][1])}" for c in curves)
            label = f"{title} over {len(epochs):,} epochs: {text}. The table below has the figures."
            unit = "share" if field == "accuracy" else ""
            made.append(Chart(title, "epoch", curves, label, mark_x=best, dots=len(epochs) <= _FEW, unit=unit))
    return made


def _curve(name: str, field: str, epochs: Sequence[EpochRecord]) -> Curve:
    points = [(float(e.epoch), getattr(e, field)) for e in epochs if getattr(e, field) is not None]
    return Curve(name, tuple((x, float(y)) for x, y in points if abs(y) < float("inf")))


SECTION = Section(
    30,
    "Training trace",
    lambda trace: training_blocks(trace.training),
    missing="This run has no training epochs.",
)
