"""Scaling: what each architecture costs and gives as the data grow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgewright.schema.trace import ScalingPoint, ScalingRecord, Trace
from edgewright.trace.charts import Chart, Curve, draw, legend
from edgewright.trace.scaling_words import break_even_text, exponent_text, law_rows
from edgewright.trace.sections import Section
from edgewright.trace.words import bytes_text, fraction, measure_word, microseconds_text, seconds_text

_PANELS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("Training time", "seconds", "s", seconds_text),
    ("Accuracy", "accuracy", "share", fraction),
    ("Peak memory", "peak_bytes", "B", bytes_text),
    ("Latency", "latency_us", "us", microseconds_text),
)


def view(trace: Trace) -> Mapping[str, object] | None:
    """Charts over the rows, the points, the fitted exponents, and from where the large one pays."""
    record = trace.scaling
    if record is None or not record.points:
        return None
    drawn = charts(record)
    measures = sorted({measure for exponents in record.exponents.values() for measure in exponents})
    return {
        "record": record,
        "points": sorted(record.points, key=lambda p: (p.parameters, p.architecture, p.rows)),
        "charts": [(chart, draw(chart)) for chart in drawn],
        "legend": legend(_names(record)),
        "measures": [(measure, measure_word(measure)) for measure in measures],
        "exponents": [
            (name, [exponent_text(record, name, measure) for measure in measures]) for name in sorted(record.exponents)
        ],
        "laws": law_rows(record),
        "crossing": break_even_text(record.break_even),
        "sentence": record.sentence or _pays(record),
    }


def charts(record: ScalingRecord) -> list[Chart]:
    """A chart a measure; none where there is only one data size."""
    names = _names(record)
    return [chart for panel in _PANELS if (chart := _chart(record, names, *panel)) is not None]


def _names(record: ScalingRecord) -> list[str]:
    """Architectures, the smallest first."""
    ordered = sorted(record.points, key=lambda p: (p.parameters, p.architecture))
    return list(dict.fromkeys(point.architecture for point in ordered))


def _chart(
    record: ScalingRecord, names: list[str], title: str, field: str, unit: str, write: Callable[[float], str]
) -> Chart | None:
    """One figure over the rows, a curve an architecture; None where there is only one size."""
    curves = tuple(Curve(name, _points(record.points, name, field)) for name in names)
    if len({x for curve in curves for x, _ in curve.points}) < 2:
        return None
    told = "; ".join(f"{c.name} from {write(c.points[0][1])} to {write(c.points[-1][1])}" for c in curves if c.points)
    rows = sorted({p.rows for p in record.points})
    label = f"{title} from {rows[0]:,} to {rows[-1]:,} rows: {told}. The table below has the figures."
    positive = all(y > 0 for curve in curves for _, y in curve.points)
    # Cost grows by powers of the rows, which are straight lines on two logarithmic axes.
    axes = "xy" if unit in ("s", "B") and positive else "x"
    return Chart(title, "rows", curves, label, logarithmic=axes, dots=True, unit=unit)


def _points(points: tuple[ScalingPoint, ...], name: str, field: str) -> tuple[tuple[float, float], ...]:
    return tuple(sorted((float(p.rows), float(getattr(p, field))) for p in points if p.architecture == name))


def _pays(record: ScalingRecord) -> str:
    return "" if record.pays_from is None else f"The larger architecture pays from {record.pays_from:,} rows."


SECTION = Section(40, "Scaling", view)
