"""A run in at most five lines of text: what answers what, how well, how large, and the verdict."""

from __future__ import annotations

from edgewright.core.formatting import bytes_text, microseconds_text, number, some_of
from edgewright.schema.trace import Trace
from edgewright.trace.headline import headline
from edgewright.trace.opening import MODELS


def brief(trace: Trace, target: str) -> str:
    """Return the lines.

    Args:
        trace: of a finished run.
        target: column that is predicted; empty where it has no name.
    """
    judged = trace.evaluation
    labels = () if judged is None else judged.labels
    of = f"{len(labels)} classes ({some_of(labels, 4)})" if labels else "an amount"
    lines = [f"Model {trace.name}: {_kind(trace)}", f"target {target or 'unnamed'}: {of}"]
    return "\n".join([*lines, f"score {_score(trace)}", f"size {_size(trace)}", f"verdict {trace.verdict}"])


def _kind(trace: Trace) -> str:
    model = trace.config.get("model")
    kind = str(model.get("kind", "")) if isinstance(model, dict) else ""
    return MODELS.get(kind, kind.replace("_", " ") or trace.task)


def _score(trace: Trace) -> str:
    judged = trace.evaluation
    if judged is None:
        return "not measured"
    leading = headline(judged.accuracy, judged.left_out)
    if leading is not None:
        return f"{leading.figure} (95 % CI {leading.span}), {leading.name}"
    name = next((name for name in ("rmse", "mae") if name in judged.intervals), "")
    if name:
        interval = judged.intervals[name]
        return f"{name} {number(interval.value)} (95 % CI {number(interval.low)} to {number(interval.high)}), test"
    return ", ".join(f"{name} {number(value)}" for name, value in judged.regression.items()) or "not measured"


def _size(trace: Trace) -> str:
    rows = () if trace.device is None else trace.device.rows
    texts = {"B": bytes_text, "us": microseconds_text}
    said = [f"{row.name} {texts[row.unit](row.used)}" for row in rows if row.unit in texts]
    return f"{', '.join(said)} on {trace.device.profile}" if said and trace.device is not None else "not estimated"
