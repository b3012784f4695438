"""Scaling: what each architecture costs and gives as the data grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewright.core.formatting import bytes_text, fraction, measure_word, microseconds_text, plural, seconds_text
from edgewright.schema.trace import ScalingPoint, ScalingRecord
from edgewright.schema.trace_flow import BreakEven
from edgewright.trace.blocks.view_blocks import Chart, Charts, Curve, Row, Table, ViewBlock, line, row
from edgewright.trace.sections import Section
from edgewright.trace.sentences.facts import interval_text

_PANELS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("Training time", "seconds", "s", seconds_text),
    ("Accuracy", "accuracy", "share", fraction),
    ("Peak memory", "peak_bytes", "B", bytes_text),
    ("Latency", "latency_us", "us", microseconds_text),
)
_HEADS = (
    "architecture", "#rows", "#parameters", "#time an epoch", "#CPU time an epoch", "#peak memory", "#accuracy",
    "#latency",
)  # fmt: skip


def scaling_blocks(record: ScalingRecord | None) -> Sequence[ViewBlock]:
    """Build charts over the rows, the points, the fitted laws, and where the large architecture pays."""
    if record is None or not record.points:
        return ()
    pays = "" if record.pays_from is None else f"The larger architecture pays from {record.pays_from:,} rows."
    sentence = record.sentence or pays
    points = sorted(record.points, key=lambda point: (point.parameters, point.architecture, point.rows))
    panels = [chart for panel in _PANELS if (chart := _chart(points, *panel)) is not None]
    parts: list[ViewBlock] = [line(sentence)] if sentence else []
    parts += [Charts(panels)] if panels else []
    parts.append(
        Table("Every architecture at every data size", _HEADS, [_row(p) for p in points], "measured", "scaling-points")
    )
    measures = sorted({measure for exponents in record.exponents.values() for measure in exponents})
    if measures:
        rows = [
            row(name, *(exponent_text(record, name, name_of_measure) for name_of_measure in measures))
            for name in sorted(record.exponents)
        ]
        heads = ("architecture", *(f"#{measure_word(measure)}" for measure in measures))
        parts.append(Table("Exponents: cost ~ rows^exponent", heads, rows, "estimated", "scaling-exponents"))
    if record.laws:
        heads = ("architecture", "#exponent, 90 % CI", "#floor", "#error at twice the rows, 90 % CI")
        laws = [row(*law) for law in law_rows(record)]
        parts.append(Table("Power laws: error ~ rows^-exponent + floor", heads, laws, "estimated", "scaling-laws"))
    crossing = break_even_text(record.break_even)
    return [*parts, *([line(crossing)] if crossing else [])]


def _row(point: ScalingPoint) -> Row:
    return row(
        point.architecture, f"{point.rows:,}", f"{point.parameters:,}", seconds_text(point.seconds),
        seconds_text(point.cpu_seconds), bytes_text(point.peak_bytes), fraction(point.accuracy),
        microseconds_text(point.latency_us),
    )  # fmt: skip


def _chart(
    points: Sequence[ScalingPoint], title: str, field: str, unit: str, write: Callable[[float], str]
) -> Chart | None:
    """Return one figure over the rows, a curve for each architecture; None where there is only one size."""
    sizes = sorted({point.rows for point in points})
    if len(sizes) < 2:
        return None
    curves = tuple(
        Curve(name, tuple((float(p.rows), float(getattr(p, field))) for p in points if p.architecture == name))
        for name in dict.fromkeys(point.architecture for point in points)
    )
    text = "; ".join(f"{c.name} from {write(c.points[0][1])} to {write(c.points[-1][1])}" for c in curves)
    label = f"{title} from {sizes[0]:,} to {sizes[-1]:,} rows: {text}. The table below has the figures."
    positive = all(y > 0 for curve in curves for _, y in curve.points)
    # Cost grows by powers of the rows, which are straight lines on two logarithmic axes.
    axes = "xy" if unit in ("s", "B") and positive else "x"
    return Chart(title, "rows", curves, label, logarithmic=axes, dots=True, unit=unit)


def point_text(point: ScalingPoint, done: int, total: int) -> tuple[str, ...]:
    """Return the facts of one training as it ends."""
    of = f"{point.architecture} with {plural(point.rows, 'row')}"
    return f"{done} of {total}", of, f"accuracy {fraction(point.accuracy)}", f"{seconds_text(point.seconds)} an epoch"


def exponent_text(record: ScalingRecord, name: str, measure: str) -> str:
    """Return '0.98 (0.95 to 1.01)', without an interval at too few sizes; '-' where nothing was fitted."""
    if measure not in record.exponents.get(name, {}):
        return "-"
    interval = record.intervals.get(name, {}).get(measure)
    return interval_text(interval, "{:.2f}".format) if interval else f"{record.exponents[name][measure]:.2f}"


def law_rows(record: ScalingRecord) -> list[tuple[str, str, str, str]]:
    """Return each architecture with the exponent of its error, the floor, and the error at twice the rows."""
    return [
        (name, interval_text(law.exponent, "{:.2f}".format), f"{law.floor:.4g}",
         f"{interval_text(law.predicted, '{:.4f}'.format)} at {law.at:,.0f} rows")
        for name, law in sorted(record.laws.items())
    ]  # fmt: skip


def break_even_text(crossing: BreakEven | None) -> str:
    """Return from where the larger one is better, in a sentence; empty where there is nothing to compare."""
    if crossing is None:
        return ""
    if crossing.rows is None and crossing.low is None and crossing.high is None:
        return "The curves of the largest and the smallest architecture do not cross within these sizes."
    low = "fewer than the smallest size" if crossing.low is None else f"{crossing.low:,.0f}"
    high = "more than the largest size" if crossing.high is None else f"{crossing.high:,.0f}"
    aside = "below these sizes" if crossing.low is None else "beyond these sizes"
    here = aside if crossing.rows is None else f"at {crossing.rows:,.0f} rows"
    return f"The largest architecture overtakes the smallest {here} (90 % CI: {low} to {high})."


SECTION = Section(40, "Scaling", lambda trace: scaling_blocks(trace.scaling))
