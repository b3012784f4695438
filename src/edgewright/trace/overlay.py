"""Training curves of several runs in one chart, to see which learns faster and which overfits."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.core.formatting import number, percent
from edgewright.schema.trace import EpochRecord, Trace
from edgewright.trace.view_blocks import CURVES, Chart, Charts, Curve

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
    drawn = [chart for title, field in _FIELDS if (chart := _chart(title, field, shown)) is not None]
    if len(drawn) > 1 and drawn[0].title == _FIELDS[0][0]:
        drawn = [chart for chart in drawn if chart.title != _FIELDS[1][0]]
    return Charts(drawn) if drawn else None


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
