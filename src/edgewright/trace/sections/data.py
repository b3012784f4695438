"""Sections about the data of a run: the flow through the stages, samples of each class, and scaling."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from edgewright.core.formatting import (
    bytes_text,
    flow_text,
    fraction,
    measure_word,
    microseconds_text,
    number,
    percent,
    plural,
    seconds_text,
    some_of,
)
from edgewright.core.records.trace import ScalingPoint, ScalingRecord, StageRecord, Statistics, Trace
from edgewright.core.records.trace_flow import BreakEven, Channel, ClassSample, ClassSamples
from edgewright.trace.blocks.charts import drawing, svg_text
from edgewright.trace.blocks.view_blocks import (
    Card,
    Cards,
    Chart,
    Charts,
    Curve,
    Fold,
    Items,
    Line,
    Pairs,
    Row,
    Samples,
    SideBySide,
    Table,
    Template,
    ViewBlock,
    line,
    row,
)
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.facts import interval_text

_BRIEF = 4
_HEADS = ("column", "#minimum", "#mean", "#maximum", "#deviation", "#missing")


def data_flow_blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build the cards, each with the columns that came into it."""
    if not trace.stages:
        return ()
    spent, cards = sum(stage.seconds for stage in trace.stages), stage_cards(trace)
    took = f", {seconds_text(spent)} in all" if spent else ""
    lead = f"{plural(len(cards), 'stage')}{took}. Shapes, samples and statistics are measured on the data of this run."
    return line(lead), Cards(cards, chained=True)


def stage_cards(trace: Trace) -> list[Card]:
    """Build the card of each stage, with the columns that came into it."""
    cards: list[Card] = []
    names: tuple[str, ...] = ()
    for step, stage in enumerate(trace.stages, 1):
        cards.append(stage_card(stage, step, names))
        names = stage.names_after or names
    return cards


def stage_card(stage: StageRecord, step: int, names_before: Sequence[str] = ()) -> Card:
    """Build the card of one stage.

    Args:
        stage: its record.
        step: its number, from 1.
        names_before: columns that came in, where known.
    """
    content: list[ViewBlock] = [line(stage.why)] if stage.why else []
    content += [line(stage.formula, "formula")] if stage.formula else []
    facts = (
        f"fitted on {plural(stage.fitted_on, 'training sample')}" if stage.fitted_on else "",
        f"filled {plural(stage.filled, 'missing value')}" if stage.filled else "",
        f"dropped {plural(len(stage.dropped), 'column')}" if stage.dropped else "",
        f"time {seconds_text(stage.seconds)}" if stage.seconds else "",
        f"CPU {seconds_text(stage.cpu_seconds)}" if stage.cpu_seconds else "",
        f"memory +{bytes_text(stage.peak_bytes)}" if stage.peak_bytes > 0 else "",
    )
    content += [Items(facts)] if any(facts) else []
    content += [line(text, "quiet") for text in stage.notes]
    if stage.dropped:
        content.append(_dropped(stage.dropped))
    before = Samples("before", names_before, stage.sample_before[:3], stage.shape_in)
    after = Samples("after", stage.names_after, stage.sample_after[:3], stage.shape_out)
    samples = [sample for sample in (before, after) if sample.rows and sample.rows[0]]
    if samples:
        side_by_side = (SideBySide(samples),)
        content.append(
            Fold(f"Samples {' and '.join(sample.title for sample in samples)}", side_by_side, brief=side_by_side)
        )
    if stage.columns_after:
        content.append(_statistics(stage))
    if stage.settings:
        content.append(
            Fold("Settings", [Pairs([(name, _text(value)) for name, value in sorted(stage.settings.items())])])
        )
    shape = flow_text(stage.shape_in, stage.shape_out)
    return Card(stage.name, ((shape, "strong"), (stage.dtype, "quiet")), content, f"data_flow-{step}", step)


def _dropped(dropped: Sequence[tuple[str, str]]) -> Fold:
    reasons: dict[str, list[str]] = {}
    for name, reason in dropped:
        reasons.setdefault(reason, []).append(name)
    tails = [(names, f": {reason}" if reason else "") for reason, names in reasons.items()]
    return Fold(
        f"Dropped: {plural(len(dropped), 'column')}",
        [Line(((", ".join(names), ""), (f"{tail}.", ""))) for names, tail in tails],
        brief=[line(f"dropped {some_of(names, _BRIEF)}{tail}") for names, tail in tails],
    )


def _statistics(stage: StageRecord) -> Fold:
    known = stage.columns_after
    columns = stage.shape_out[1] if len(stage.shape_out) == 2 else 0
    total = max(len(known), len(stage.names_after), columns)
    more = [row(f"and {total - _BRIEF:,} more", *[""] * 5)] if total > _BRIEF else []
    return Fold(
        f"Statistics of {plural(len(known), 'column')}{f' of {total}' if total > len(known) else ''}",
        [Table("Columns after this stage", _HEADS, [_figures(column) for column in known])],
        brief=[Table("", _HEADS, [*(_figures(column) for column in known[:_BRIEF]), *more])],
    )


def _figures(column: Statistics) -> Row:
    name = f"{column.name} [{column.unit}]" if column.unit else column.name
    figures = (number(value) for value in (column.minimum, column.mean, column.maximum, column.deviation))
    return row(name, *figures, f"{column.missing:,}")


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a stage is set with
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return number(value) if isinstance(value, float) else str(value)


DATA_FLOW = Section(10, "Data flow", data_flow_blocks, missing="No stage has been recorded.")


STRIPS = 6
"""Channels of a window that are drawn at most."""
# Strips of all samples together, and points of one: a page has room for so many.
_STRIPS, _POINTS = 24, 120
# A part that changes the lead by less than a twentieth of the largest change is not shaded.
_PALE = 0.025
_WIDTH, _STRIP, _GAP, _FOOT = 400.0, 34.0, 16.0, 14.0


def values_of(sample: ClassSample, shape: Sequence[int]) -> NDArray[np.float32]:
    """Return the recorded values: (columns,), or of windows (channels, recorded values of each)."""
    flat = np.frombuffer(sample.values, "<f4")
    return flat if len(shape) == 1 else flat.reshape(shape[0], -1)


def shown_channels(sample: ClassSample, known: ClassSamples) -> list[int]:
    """Return the channels that are drawn: all, or those that matter most to the answer, in their order."""
    count, limit = len(known.channels), max(1, min(STRIPS, _STRIPS // max(1, len(known.samples))))
    if count <= limit:
        return list(range(count))
    weights = [max(map(abs, row), default=0.0) for row in sample.drops] if len(sample.drops) == count else [0.0] * count
    return sorted(sorted(range(count), key=lambda c: (-weights[c], c))[:limit])


def window_plot(sample: ClassSample, known: ClassSamples) -> Markup:
    """Return the strips of a window as one SVG element; pointing at a shaded part tells how much it matters."""
    values = values_of(sample, known.shape)
    chosen = shown_channels(sample, known)
    height = len(chosen) * (_STRIP + _GAP) + _FOOT
    largest = max((abs(drop) for row in sample.drops for drop in row), default=0.0)
    parts: list[str] = []
    for index, channel in enumerate(chosen):
        top = _GAP + index * (_STRIP + _GAP)
        drops = sample.drops[channel if len(sample.drops) > 1 else 0] if sample.drops else ()
        about = known.channels[channel]
        parts += _shades(drops, largest, top, known.shape[-1])
        parts += _strip(values[channel], about, top)
    parts += [svg_text(0, height - 2, "0"), svg_text(_WIDTH, height - 2, plural(known.shape[-1], "sample"), "end")]
    label = f"A window of {sample.truth}: {', '.join(known.channels[c].name for c in chosen)} over time"
    return drawing(parts, label, _WIDTH, height)


def _shades(drops: Sequence[float], largest: float, top: float, length: int) -> Iterator[str]:
    """Yield a rectangle for each part, the stronger the more the answer's lead changes without it."""
    width = _WIDTH / max(1, len(drops))
    for colour, sign in (("right", 1), ("wrong", -1)):
        shapes = []
        for part, drop in enumerate(drops):
            share = round(0.5 * abs(drop) / largest, 2) if largest else 0.0
            if share >= _PALE and drop * sign > 0:
                first, last = part * length // len(drops), (part + 1) * length // len(drops) - 1
                shapes.append(
                    f'<path opacity="{share:g}" d="M{part * width:g} {top:g}h{width:g}v{_STRIP:g}H{part * width:g}">'
                    f"<title>samples {first}-{last}: effect {drop:+.3g}</title></path>"
                )
        if shapes:
            yield f'<g fill="var(--{colour})">{"".join(shapes)}</g>'


def _strip(values: NDArray[np.float32], about: Channel, top: float) -> Iterator[str]:
    """Yield the curve of a channel between its extremes, with name and range; missing values stay gaps."""
    thin = values[:: max(1, math.ceil(len(values) / _POINTS))]
    finite = thin[np.isfinite(thin)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    path, pen = [], "M"
    for i, value in enumerate(thin):
        if not np.isfinite(value):
            pen = "M"
            continue
        x = i * _WIDTH / max(1, len(thin) - 1)
        y = top + _STRIP - 2 - (_STRIP - 4) * (float(value) - low) / (high - low or 1.0)
        path.append(f"{pen}{x:.0f} {round(y, 1):g}")
        pen = " "
    yield (
        f'<path d="{"".join(path)}" fill="none" stroke="var(--ink)" stroke-width="1.2" stroke-linejoin="round" '
        'pointer-events="none"/>'
    )
    unit = f" {about.unit}" if about.unit else ""
    yield svg_text(0, top - 4, about.name) + svg_text(_WIDTH, top - 4, f"{number(low)} to {number(high)}{unit}", "end")


_WORDS = {"log-odds": "in log-odds", "probability": "in probability", "prediction": "of the prediction"}


def samples_page(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build a card for each sample."""
    known = trace.samples
    if known is None or not known.samples:
        return ()
    cards = [_card(sample, known) for sample in known.samples]
    context = {"lead": _lead(trace, known), "cards": cards, "known": known, "unit": _unit(known)}
    return (Template("samples.html", context),)


def _unit(known: ClassSamples) -> str:
    return "Window" if len(known.shape) > 1 else "Row"


def _lead(trace: Trace, known: ClassSamples) -> str:
    whole = f"the first {len(known.samples)} of {known.classes:,} classes" if known.classes > len(known.samples) else ""
    classed = bool(trace.evaluation and trace.evaluation.labels)
    each = f"of {whole}" if whole else "of each class" if classed else "from low, middle and high amounts"
    text = f"One {_unit(known).lower()} {each}, from the {known.side} samples; no test sample is shown here. "
    changed = "the lead of its answer over the next class" if classed else "the prediction"
    change = "a part of the signal is replaced by its mean" if len(known.shape) > 1 else "a column has its mean instead"
    text += f"The effect says how much {changed} changes ({_WORDS[known.score]}) when {change}"
    refit = trace.refit is not None and trace.refit.kept
    return f"{text}. The packaged model answers{', whose last fit includes these samples' if refit else ''}."


def _card(sample: ClassSample, known: ClassSamples) -> dict[str, object]:
    right = sample.answer == sample.truth
    sure = known.score != "prediction"
    answer = f"{sample.answer}, {percent(sample.confidence, 1)}" if sure else f"predicted {sample.answer}"
    largest = max((abs(effect.drop) for effect in sample.effects), default=0.0) or 1.0
    effects = [
        (effect.name, number(effect.value), f"{effect.drop:+.3g}", f"{abs(effect.drop) / largest:.4f}")
        for effect in sample.effects
    ]
    heads = ("column", "value") if len(known.shape) == 1 else ("feature", "as the network takes it")
    return {
        "sample": sample,
        "answer": answer,
        "verdict": "" if not sure else "right" if right else "wrong",
        "effects": effects,
        "heads": heads,
        "plot": len(known.shape) > 1,
        "hidden": len(known.channels) - len(shown_channels(sample, known)) if len(known.shape) > 1 else 0,
        "where": f"{_unit(known)} {sample.row + 1:,}",
    }


SAMPLES = Section(58, "One sample of each class", lambda trace: (), page=samples_page)


_PANELS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("Training time", "seconds", "s", seconds_text),
    ("Accuracy", "accuracy", "share", fraction),
    ("Peak memory", "peak_bytes", "B", bytes_text),
    ("Latency", "latency_us", "us", microseconds_text),
)
_SCALING_HEADS = (
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
        Table(
            "Every architecture at every data size",
            _SCALING_HEADS,
            [_row(p) for p in points],
            "measured",
            "scaling-points",
        )
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


SCALING = Section(40, "Scaling", lambda trace: scaling_blocks(trace.scaling))


SECTIONS = {
    "data_flow": DATA_FLOW,
    "samples": SAMPLES,
    "scaling": SCALING,
}
