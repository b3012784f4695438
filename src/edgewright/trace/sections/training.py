"""Training trace: loss and accuracy over the epochs, and a table by epoch with an observation each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewright.schema.trace import EpochRecord, Trace, TrainingRecord
from edgewright.trace.charts import MOST_POINTS, Chart, Curve, draw, legend
from edgewright.trace.facts import training_facts
from edgewright.trace.observations import FOLD_ABOVE, notable
from edgewright.trace.sections import Section
from edgewright.trace.words import fraction

# Rows of the folded table at most: a page stays small however long training went on. The record has them all.
_MOST_ROWS = 400
_FEW = 30
_SIDES = (("training", ""), ("validation", "validation_"))


def view(trace: Trace) -> Mapping[str, object] | None:
    """Facts, charts, and the epochs: all, or the notable ones with the rest folded."""
    training = trace.training
    if training is None or not training.epochs:
        return None
    epochs = training.epochs
    shown = notable(epochs)
    step = -(-len(epochs) // _MOST_ROWS)
    drawn = charts(training)
    curves = max((len(chart.curves) for chart in drawn), default=0)
    return {
        "facts_lines": training_facts(training),
        "charts": [(chart, draw(chart)) for chart in drawn],
        "legend": legend([name for name, _ in _SIDES][:curves]),
        "sampled": MOST_POINTS if len(epochs) > MOST_POINTS else 0,
        "total": len(epochs),
        "best": training.best_epoch,
        "columns": _columns(epochs),
        "shown": shown,
        "folded": epochs[::step] if len(shown) < len(epochs) else (),
        "step": step,
        "fold_above": FOLD_ABOVE,
    }


def _columns(epochs: Sequence[EpochRecord]) -> list[tuple[str, str]]:
    """Heads and fields of the figures that at least one epoch has."""
    fields = (
        ("loss", "loss"),
        ("accuracy", "accuracy"),
        ("validation loss", "validation_loss"),
        ("validation accuracy", "validation_accuracy"),
    )
    return [(head, name) for head, name in fields if any(getattr(e, name) is not None for e in epochs)]


def charts(training: TrainingRecord) -> list[Chart]:
    """Loss and, for classes, accuracy; none for fewer than two epochs."""
    epochs = training.epochs
    if len(epochs) < 2:
        return []
    made = []
    for title, field in (("Loss", "loss"), ("Accuracy", "accuracy")):
        curves = tuple(curve for curve in (_curve(side, prefix + field, epochs) for side, prefix in _SIDES) if curve)
        if not curves:
            continue
        told = "; ".join(
            f"{curve.name} from {fraction(curve.points[0][1])} to {fraction(curve.points[-1][1])}" for curve in curves
        )
        label = f"{title} over {len(epochs):,} epochs: {told}. The table below has the figures."
        unit = "share" if field == "accuracy" else ""
        best = float(training.best_epoch) if any(e.epoch == training.best_epoch for e in epochs) else None
        made.append(Chart(title, "epoch", curves, label, mark_x=best, dots=len(epochs) <= _FEW, unit=unit))
    return made


def _curve(name: str, field: str, epochs: Sequence[EpochRecord]) -> Curve | None:
    points = [(float(e.epoch), getattr(e, field)) for e in epochs if getattr(e, field) is not None]
    finite = tuple((x, float(y)) for x, y in points if abs(y) < float("inf"))
    return Curve(name, finite) if finite else None


SECTION = Section(30, "Training trace", view, missing="Nothing was trained by epochs in this run.")
