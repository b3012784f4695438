"""A tuning on the terminal and as a page: the curve, what was chosen, and how it was judged."""

from __future__ import annotations

from markupsafe import Markup

from edgewright.core.formatting import number, percent, plural
from edgewright.schema.lesson import Block, Facts, Grid, Heading, Paragraph
from edgewright.schema.tuning import TunePoint, TuneRecord
from edgewright.trace.blocks.charts import figure_html
from edgewright.trace.blocks.view_blocks import Chart, Curve
from edgewright.trace.html import blocks_html, sections_page
from edgewright.trace.sentences.facts import interval_text

# Points of the front that a terminal shows; the record has all.
_MAX_POINTS = 12


def tuning_blocks(record: TuneRecord) -> tuple[Block, ...]:
    """Return what is printed."""
    return (*_head(record), *_curve(record), *_choice(record), *_notes(record))


def tuning_page(record: TuneRecord) -> str:
    """One self-contained page with the curve drawn."""
    shown = [
        ("curve", "Curve", _curve_svg(record) + blocks_html(_curve(record)[1:], level=3)),
        ("choice", "Choice", blocks_html(_choice(record)[1:], level=3)),
        ("judged", "Evaluation", blocks_html([*_head(record), *_notes(record)], level=3)),
    ]
    return sections_page(f"{record.name}: alarms", tuning_sentence(record), shown)


def _head(record: TuneRecord) -> tuple[Block, ...]:
    unit = "days" if record.per == "day" else "thousand windows"
    events = record.before.events
    rows = (
        ("recordings", f"{record.data}: {plural(record.windows, 'window')}, {number(record.exposure)} {unit} outside "
                       f"of events"),
        ("events", f"{plural(events, 'stretch', 'stretches')} of {', '.join(record.alarms)}"),
        ("found", f"if an alarm occurs between its start and {number(record.tolerance)} "
                  f"{'s' if record.per == 'day' else 'rows'} after its end; any other alarm is false"),
        ("cost", f"false alarm {record.false_alarm_cost:g}, missed event {record.miss_cost:g}"),
        ("taken", _chosen_by(record)),
        ("model", f"{record.form}, engine {record.engine}; {record.point_count:,} decisions were tried"),
    )  # fmt: skip
    return (Facts(rows=rows),)


def _chosen_by(record: TuneRecord) -> str:
    """By what the point was chosen."""
    if record.chosen_by == "most":
        return f"the point with the fewest misses and at most {record.maximum or 0:g} false alarms a {record.per}"
    return "the cheapest point" if record.chosen_by == "cost" else f"point {record.chosen + 1}, set by --point"


def _curve(record: TuneRecord) -> tuple[Block, ...]:
    heads = ("point", "missed", "share (95 %)", f"false a {record.per} (95 %)", "delay", "cost", "decision")
    shown = _some(record)
    rows = tuple(
        _row(f"{index + 1}{' chosen' * (index == record.chosen)}", record.points[index], record) for index in shown
    )
    rows += (_row("before", record.before, record),)
    left = len(record.points) - len(shown)
    caption = (
        "Decision: windows averaged, windows that agree, threshold (- where the largest probability decides), time "
        "without another alarm. No other decision has both fewer false alarms and fewer missed events; --point takes "
        "another point."
    )
    if left:
        caption += f" {plural(left, 'point')} in between not shown; tune.json has all."
    return (Heading(text="Curve"), Grid(headers=heads, rows=rows, figures=(1, 2, 3, 4, 5), caption=caption))


def _some(record: TuneRecord) -> list[int]:
    """Return places of points evenly along the front, with the chosen one."""
    count = len(record.points)
    if count <= _MAX_POINTS:
        return list(range(count))
    even = {round(i * (count - 1) / (_MAX_POINTS - 2)) for i in range(_MAX_POINTS - 1)}
    return sorted(even | {record.chosen})


def _row(mark: str, point: TunePoint, record: TuneRecord) -> tuple[str, ...]:
    unit = " s" if record.per == "day" else ""
    return (
        mark,
        f"{point.missed} of {point.events}",
        interval_text(point.missed_share, percent),
        interval_text(point.false_rate, _rate),
        "-" if point.delay is None else f"{number(point.delay)}{unit}",
        f"{point.cost:g}",
        f"{point.smoothing}, {point.debounce}, {_threshold(point)}, {point.refractory:g}{unit}",
    )


def _threshold(point: TunePoint) -> str:
    if point.thresholds:
        return " ".join(f"{label} {value:g}" for label, value in point.thresholds.items())
    return f"{point.threshold:g}" if point.threshold else "-"


def _rate(value: float) -> str:
    """Three digits are more than a rate is known to; below a hundredth it is none."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.01 else "0"


def _choice(record: TuneRecord) -> tuple[Block, ...]:
    blocks: list[Block] = [Heading(text="Choice"), Paragraph(text=tuning_sentence(record))]
    others = record.held_out
    if others is not None:
        how = "Chosen" if record.chosen_by == "cost" else "The point within the false-alarm limit, chosen"
        blocks.append(
            Paragraph(
                text=f"{how} on the others, evaluated on each of {plural(len(record.people), 'person', 'people')} in "
                f"turn: {others.missed} of {others.events} events missed, "
                f"{interval_text(others.missed_share, percent)}; false alarms a {record.per} "
                f"{interval_text(others.false_rate, _rate)}; cost {others.cost:g}. Expect this for new people."
            )
        )
        before = record.before
        cost = record.chosen_by == "cost"
        # Whoever takes a point by its alarms pays for fewer of them with misses, or the other way round.
        worse = others.cost >= before.cost if cost else others.missed >= before.missed and others.false >= before.false
        if worse:
            was = f"cost {before.cost:g}" if cost else f"missed {before.missed} with {before.false} false alarms"
            blocks.append(
                Paragraph(
                    text=f"That is no better than before, which {was}: the choice overfits these "
                    "people. Add more people, or keep the old package."
                )
            )
        if record.test is not None:
            text = f"Exact test of that cost against the one before: p {record.test.p:.2g}; {record.test.power}."
            blocks.append(Paragraph(text=text))
    return tuple(blocks)


def tuning_sentence(record: TuneRecord) -> str:
    """Return what was chosen and what it gives."""
    point, before = record.points[record.chosen], record.before
    how = f"smoothing over {plural(point.smoothing, 'window')}, {plural(point.debounce, 'window')} that agree"
    how += f", threshold {_threshold(point)}" if point.threshold or point.thresholds else ", the largest probability"
    how += f", {point.refractory:g} s between alarms" if point.refractory else ""
    return (
        f"{how[:1].upper()}{how[1:]}: {point.missed} of {point.events} events missed and "
        f"{interval_text(point.false_rate, _rate)} false alarms a {record.per}, cost {point.cost:g}; before "
        f"{before.missed} missed and {interval_text(before.false_rate, _rate)}, cost {before.cost:g}."
    )


def _notes(record: TuneRecord) -> tuple[Block, ...]:
    return tuple(Paragraph(text=text if text.endswith(".") else f"{text}.") for text in record.notes)


def _curve_svg(record: TuneRecord) -> Markup:
    """Return alarms a day against missed events, with the ends of their intervals."""
    points = sorted(record.points, key=lambda point: point.missed)
    rates = [(100 * point.missed_share.value, point.false_rate) for point in points]
    curves = (
        Curve("false alarms", tuple((x, rate.value) for x, rate in rates)),
        Curve("95 % from", tuple((x, rate.low) for x, rate in rates)),
        Curve("95 % to", tuple((x, rate.high) for x, rate in rates)),
    )
    chosen = record.points[record.chosen]
    chart = Chart(
        title=f"false alarms a {record.per}",
        x_title="missed events, per cent",
        curves=curves,
        label=f"False alarms a {record.per} against missed events: {len(points)} points; chosen at "
        f"{percent(chosen.missed_share.value)} missed and {number(chosen.false_rate.value)} false alarms",
        mark_x=100 * chosen.missed_share.value,
        dots=True,
    )
    note = "against missed events in per cent; the dashed line marks what was chosen."
    return figure_html(chart, f"False alarms a {record.per} {note}")
