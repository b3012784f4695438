"""Why a larger architecture costs more as data grows."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import ScalingPoint, Trace
from edgewright.trace.anchors import SCALING
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question, short

# Processor seconds below which a ratio says nothing.
_SHORT = 0.05


def ask(trace: Trace) -> Question | None:
    """Asked where two architectures of different size were trained at several data sizes."""
    scaling = trace.scaling
    if scaling is None:
        return None
    most = max((p.rows for p in scaling.points), default=0)
    points = sorted((p for p in scaling.points if p.rows == most), key=lambda p: p.parameters)
    if len(points) < 2 or points[0].parameters >= points[-1].parameters or points[0].parameters <= 0:
        return None
    small, large = points[0], points[-1]
    if not _dense(trace, (small.architecture, large.architecture)):
        return None
    times = f"{large.parameters / small.parameters:.3g}"
    sizes = len({p.rows for p in scaling.points})
    return question(
        trace,
        Ask(
            name="larger_architecture",
            text=f"Why does the larger architecture affect scalability? '{short(large.architecture)}' has "
            f"{large.parameters:,} parameters, '{short(small.architecture)}' has {small.parameters:,}.",
            right=(
                f"Every row passes every weight in every epoch: each further row costs about {times} times as many "
                "multiply-accumulates",
                f"{large.parameters:,} / {small.parameters:,} = {times}. {_paid(small, large)}",
            ),
            wrong=(
                (
                    "It reads more columns of each row than the small one",
                    "Both read the same columns; what differs is the number of weights behind them.",
                ),
                (
                    "It has to hold all rows in memory at once, the small one does not",
                    "Both are trained in batches of the same size. Its extra memory is for weights and activations.",
                ),
                (
                    "It cannot be trained on more rows than it has parameters",
                    f"There is no such limit: '{short(small.architecture)}' with {small.parameters:,} parameters was "
                    f"trained at all {sizes} sizes, up to {most:,} rows.",
                ),
            ),
            rests_on=f"Scaling, {most:,} rows: {large.parameters:,} against {small.parameters:,} parameters",
            anchor=SCALING,
        ),
    )


def _dense(trace: Trace, names: tuple[str, ...]) -> bool:
    """Whether each weight is used once a row, as in dense layers; taken for granted where the record does not say."""
    scaling = trace.config.get("scaling")
    known = scaling.get("architectures", {}) if isinstance(scaling, dict) else {}
    return all(layer.get("kind") in ("dense", "dropout") for name in names for layer in known.get(name, ()))


def _paid(small: ScalingPoint, large: ScalingPoint) -> str:
    """What was measured at the largest size, where it is long enough to be compared."""
    if min(small.cpu_seconds, large.cpu_seconds) < _SHORT:
        return "What is measured grows less at small sizes, where starting takes most of the time."
    ratio = f"{large.cpu_seconds / small.cpu_seconds:.3g}"
    return f"Measured at {large.rows:,} rows: {ratio} times the processor time (starting and early stopping included)."


RULE = Rule(rank=11, ask=ask)
