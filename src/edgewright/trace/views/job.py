"""A job on the terminal, as one page with time lines of replayed recordings, and as a decision record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup, escape

from edgewright.core.formatting import amount, fraction, number, percent, plural, seconds_text
from edgewright.schema.job import (
    Choice,
    JobChart,
    JobCurve,
    JobFigure,
    JobRecord,
    LaneFrame,
    LaneView,
    Mark,
    StepRecord,
    Stretch,
    Target,
    Timeline,
)
from edgewright.schema.lesson import Block, Code, Facts, Grid, Heading, Paragraph
from edgewright.trace.blocks.charts import drawing, figure_html, outline, sampled, svg_text
from edgewright.trace.blocks.view_blocks import Chart, Curve
from edgewright.trace.html import Shown, blocks_html, sections_page
from edgewright.trace.sentences.facts import sentence

_WIDTH, _LANE, _SIGNAL, _BAR, _TOP, _RIGHT = 960.0, 26.0, 60.0, 9.0, 6.0, 12.0
_LETTER = 6.4
# Units of the axis, with the seconds of one and the longest recording that is told in it.
_UNITS = (("s", 1.0, 300.0), ("min", 60.0, 3 * 3600.0), ("h", 3600.0, 4 * 86400.0), ("days", 86400.0, float("inf")))
_STEPS = (0.5, 1, 2, 5, 10, 15, 20, 30, 60, 90, 120, 240, 500)
_SHAPES = {
    "alarm": ("M0 -6L5 4H-5Z", "good"),
    "false alarm": ("M0 -6L5 4H-5Z", "bad"),
    "missed": ("M-5 -5L5 5M5 -5L-5 5", "bad"),
    "event": ("M-3 -3H3V3H-3Z", "series-3"),
}


class _Drawing:
    """Places and times of one time line."""

    def __init__(self, line: Timeline) -> None:
        self.line = line
        self.unit, self.length, _ = next(unit for unit in _UNITS if line.seconds <= unit[2])
        if line.unit:
            self.unit, self.length = line.unit, 1.0
        names = (
            "events",
            line.keys[2],
            *line.labels,
            *(f"- - {curve.name}" for curves in line.signals for curve in curves),
        )
        self.left = 14 + _LETTER * max(map(len, names))
        self._scale = (_WIDTH - self.left - _RIGHT) / max(line.seconds, 1e-9)

    def at(self, seconds: float) -> float:
        return self.left + seconds * self._scale

    def moment(self, seconds: float) -> str:
        return f"{seconds / self.length:.4g}"

    def name(self, text: str, top: float) -> str:
        axis = f'<path d="M{self.left:.1f} {top + _BAR:.1f}H{_WIDTH - _RIGHT:g}" stroke="var(--line)"/>'
        return svg_text(self.left - 8, top + 13, text, "end", "ink") + axis

    def bar(self, stretch: Stretch, top: float, colour: str, kind: str) -> str:
        x, width = self.at(stretch.start), max(0.6, self.at(stretch.end) - self.at(stretch.start))
        title = f"{kind}: {stretch.label}, {self.moment(stretch.start)} to {self.moment(stretch.end)} {self.unit}"
        return (
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_BAR - 1:g}" fill="var(--{colour})">'
            f"<title>{escape(title)}</title></rect>"
        )

    def signal(self, curves: Sequence[JobCurve], top: float) -> Iterator[str]:
        """Yield curves on one scale, their names and the ends of the scale; the second is dashed."""
        values = [value for curve in curves for _, value in curve.points] or [0.0]
        low, high = min(values), max(values)
        scale = (_SIGNAL - 14) / ((high - low) or 1.0)
        for curve, dashes in zip(curves, ("", ' stroke-dasharray="5 3"'), strict=False):
            kept = [curve.points[i] for i in outline(np.array([y for _, y in curve.points]))]
            places = (f"{self.at(x):.1f},{top + 6 + scale * (high - y):.1f}" for x, y in kept)
            yield (
                f'<polyline points="{" ".join(places)}" fill="none" stroke="var(--series-4)" stroke-width="1.4"'
                f"{dashes}><title>{escape(curve.name)}</title></polyline>"
            )
        for row, curve in enumerate(curves):
            dashed = "- - " if row else ""
            y = top + (30 if len(curves) == 1 else 23 + 15 * row)
            yield svg_text(self.left - 8, y, f"{dashed}{curve.name}", "end", "ink")
        for text, y in ((number(high), 10.0), (number(low), _SIGNAL - 2)):
            yield svg_text(self.left - 8, top + y, text, "end")

    def lanes(self, start: float) -> Iterator[str]:
        for lane, label in enumerate(self.line.labels):
            top = start + lane * _LANE
            yield self.name(label, top)
            truth, answer, _ = self.line.keys
            bars = ((self.line.truth, top, "series-1", truth), (self.line.answers, top + _BAR, "series-2", answer))
            for stretches, y, colour, kind in bars:
                yield from (self.bar(stretch, y, colour, kind) for stretch in stretches if stretch.label == label)

    def states(self, top: float) -> Iterator[str]:
        yield self.name(self.line.keys[2], top)
        for index, state in enumerate(self.line.states):
            yield self.bar(state, top + _BAR * (index % 2), "series-3", self.line.keys[2].removesuffix("s"))
            if (self.at(state.end) - self.at(state.start)) > _LETTER * (len(state.label) + 1):
                # The other half of the lane is free behind it.
                yield svg_text(self.at(state.start) + 2, top + _BAR * (1 - index % 2) + 8, state.label, "start")

    def marks(self, top: float) -> Iterator[str]:
        yield self.name("events", top)
        # Edges would hide neighbours; what went wrong lies above right alarms.
        for mark in sorted(self.line.marks, key=lambda mark_of: [*_SHAPES].index(mark_of.kind)):
            yield self._mark(mark, top + _BAR)

    def _mark(self, mark: Mark, y: float) -> str:
        shape, colour = _SHAPES[mark.kind]
        title = f"{mark.kind}: {mark.text} at {self.moment(mark.time)} {self.unit}"
        paint = f'stroke="var(--{colour})" stroke-width="2"' if mark.kind == "missed" else f'fill="var(--{colour})"'
        return (
            f'<path d="{shape}" transform="translate({self.at(mark.time):.1f} {y:.1f})" {paint}>'
            f"<title>{escape(title)}</title></path>"
        )

    def axis(self, top: float) -> Iterator[str]:
        whole = self.line.seconds / self.length
        step = next((candidate for candidate in _STEPS if whole / candidate <= 12), _STEPS[-1])
        for tick in range(int(whole / step) + 1):
            x = self.at(tick * step * self.length)
            yield f'<path d="M{x:.1f} {_TOP:g}V{top:.1f}" stroke="var(--line)" stroke-dasharray="2 3"/>'
            yield svg_text(x, top + 14, f"{tick * step:g}", "middle")
        yield svg_text(_WIDTH - _RIGHT, top + 28, self.unit, "end")


def timeline_html(line: Timeline) -> Markup:
    """Return the drawing with its legend; pointing at a part tells its label and times."""
    places = _Drawing(line)
    top = _TOP + len(line.signals) * _SIGNAL
    bottom = top + len(line.labels) * _LANE
    parts = [part for i, curves in enumerate(line.signals) for part in places.signal(curves, _TOP + i * _SIGNAL)]
    parts += places.lanes(top)
    for lane in ((places.states,) if line.states else ()) + ((places.marks,) if line.marks else ()):
        parts += lane(bottom)
        bottom += _LANE
    parts = [*places.axis(bottom), *parts]
    keys = zip(line.keys, (line.truth, line.answers, line.states), range(1, 4), strict=True)
    legend = "".join(
        f'<span class="key k{number}">{escape(key)}</span>' for key, stretches, number in keys if stretches
    )
    svg = drawing(parts, _words(line, places), _WIDTH, bottom + 34, kind="timeline")
    note = f"{line.title}."
    if line.note:
        note += f" {line.note}"
    elif any(mark.kind != "event" for mark in line.marks):
        note += " Triangles are alarms, red ones false; a cross is a missed event."
    if not line.note and any(mark.kind == "event" for mark in line.marks):
        note += " Squares are actions of the state table."
    return Markup(  # noqa: S704 - figures only; texts are escaped where they enter
        f'<p class="legend" aria-hidden="true">{legend}</p>'
        f'<div class="scroll" role="group" tabindex="0" aria-label="Time line">{svg}</div>'
        f'<p class="note">{escape(note)}</p>'
    )


def _words(line: Timeline, drawing: _Drawing) -> str:
    """Return what the drawing shows, for those who do not see it."""
    kinds = [mark.kind for mark in line.marks]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in _SHAPES if kind in kinds)
    known = sum(stretch.end - stretch.start for stretch in line.truth)
    shares = ", ".join(f"{label} {percent(_share(line.truth, label, known))}" for label in line.labels)
    labelled = f"; labelled time: {shares}" if line.truth else ""
    return f"{line.title}: {drawing.moment(line.seconds)} {drawing.unit}{labelled}. {counts}".rstrip(" .")


def _share(stretches: Sequence[Stretch], label: str, whole: float) -> float:
    return sum(stretch.end - stretch.start for stretch in stretches if stretch.label == label) / whole if whole else 0.0


DECISION = "decision.md"
"""File of the decision record beside a job's page."""


def job_blocks(record: JobRecord) -> tuple[Block, ...]:
    """Return what is printed."""
    blocks: list[Block] = [Paragraph(text=record.answer)] if record.answer else []
    blocks += [*_purpose(record), *_overview(record)]
    for step in record.steps:
        blocks += [Heading(text=step.title), *_step(step)]
    if record.limits:
        blocks += [Heading(text="What these figures do not show"), *_limits(record)]
    return tuple(blocks)


def job_page(record: JobRecord) -> str:
    """Return one self-contained page."""
    link = Markup('<p>The decision record: <a href="{0}">{0}</a></p>').format(DECISION)
    mood = "bad" if not record.passed else "weak" if missed_targets(record) else "good"
    first = next((step for step in record.steps if step.name == record.picture), None)
    picture = Markup("") if first is None else Markup("").join(_pictures(first)[:1])
    shows: list[Block] = [Paragraph(text=record.shows)] if record.answer else []
    overview = picture + blocks_html([*shows, *_purpose(record), *_overview(record)], level=3) + link
    shown: list[Shown] = [("overview", "Overview", overview)]
    for step in record.steps:
        pictures = _pictures(step)[1 if step is first else 0 :]
        body = blocks_html(_step(step), level=3) + Markup("").join(pictures)
        if step.folder:
            body += _link(step)
        shown.append((step.name, step.title, body))
    if record.limits:
        shown.append(("limits", "What these figures do not show", blocks_html(_limits(record), level=3)))
    lead = record.answer or record.shows
    return sections_page(record.title, lead, shown, mood=mood if record.answer else "")


def _pictures(step: StepRecord) -> list[Markup]:
    """Return the drawings of a step, the most telling first."""
    lane_view = [] if step.lane_view is None else [lane_view_html(step.lane_view)]
    timeline = [] if step.timeline is None else [timeline_html(step.timeline)]
    return [*lane_view, *timeline, *map(_chart, step.charts)]


_PAGES = {
    "run": "trace.html", "tune": "tune.html", "ladder": "ladder.json", "intervals": "intervals.json",
    "flow": "flow.toml", "practice": "readings.jsonl",
}  # fmt: skip


def _link(step: StepRecord) -> Markup:
    """Return a link to what a step left beside the page."""
    file = _PAGES.get(step.kind, "")
    return Markup('<p><a href="{0}/{1}">{0}/{1}</a></p>').format(step.folder, file)


def _chart(chart: JobChart) -> Markup:
    curves = tuple(Curve(curve.name, sampled(curve.points)) for curve in chart.curves)
    shown_chart = Chart(chart.title, chart.x_title, curves, chart.label, unit=chart.unit)
    return figure_html(shown_chart, f"{chart.title}. {chart.label}")


def _purpose(record: JobRecord) -> list[Block]:
    """Return whom the job is for, what they do without it, and what an error costs, as far as its table says so."""
    rows = (("for", record.users), ("today", record.today), ("an error", record.error))
    given = tuple((name, text) for name, text in rows if text)
    return [Facts(rows=given)] if given else []


def _overview(record: JobRecord) -> list[Block]:
    steps = ", ".join(f"{step.name} ({seconds_text(step.seconds)})" for step in record.steps)
    failed = [step.name for step in record.steps if not step.passed]
    verdict = f"failed: {', '.join(failed)}" if failed else "every check passed"
    if missed := len(missed_targets(record)):
        verdict += f"; {missed} of {plural(len(record.targets), 'target')} missed"
    blocks: list[Block] = [Facts(rows=(("verdict", verdict), ("steps", steps)))]
    if record.targets:
        rows = tuple(_target_row(record, target) for target in record.targets)
        blocks.append(
            Grid(headers=("figure", "", "measured (95 %)", "target"), rows=rows, figures=(2, 3), caption="Targets")
        )
        sources = tuple(
            (row[0], target.source) for row, target in zip(rows, record.targets, strict=True) if target.source
        )
        if sources:
            blocks += [Heading(text="Where the targets come from"), Facts(rows=sources)]
    return blocks


def missed_targets(record: JobRecord) -> list[tuple[Target, str, str, str]]:
    """Return each target that is missed, with its name in words, what was measured, and its unit."""
    missed = []
    for target in record.targets:
        figure = _figure_of(record, target)
        if figure is None:
            missed.append((target, f"{target.step}: {target.figure}", "not measured", ""))
        elif target_word(figure, target) == "missed":
            missed.append((target, f"{target.step}: {figure.title}", measured_text(figure), figure.unit))
    return missed


def _figure_of(record: JobRecord, target: Target) -> JobFigure | None:
    step = next((candidate for candidate in record.steps if candidate.name == target.step), None)
    return next((candidate for candidate in step.figures if candidate.name == target.figure), None) if step else None


def _target_row(record: JobRecord, target: Target) -> tuple[str, ...]:
    figure = _figure_of(record, target)
    if figure is None:
        return (f"{target.step}: {target.figure}", "missed", "not measured", bound_text(target, ""))
    return (
        f"{target.step}: {figure.title}",
        target_word(figure, target),
        measured_text(figure),
        bound_text(target, figure.unit),
    )


def target_word(figure: JobFigure, target: Target) -> str:
    """Return whether a figure reaches its target: 'reached' or 'missed'."""
    low = target.minimum is None or figure.value >= target.minimum
    high = target.maximum is None or figure.value <= target.maximum
    return "reached" if low and high else "missed"


def bound_text(target: Target, unit: str) -> str:
    """Return what a target asks for."""
    if target.minimum is not None and target.maximum is not None:
        return f"{value_text(target.minimum, unit)} to {value_text(target.maximum, unit)}"
    if target.maximum is not None:
        return f"at most {value_text(target.maximum, unit)}"
    return "" if target.minimum is None else f"at least {value_text(target.minimum, unit)}"


def measured_text(figure: JobFigure) -> str:
    """Return a figure with its interval."""
    text = value_text(figure.value, figure.unit)
    if figure.interval is None:
        return text
    return f"{text} ({value_text(figure.interval.low, figure.unit)} to {value_text(figure.interval.high, figure.unit)})"


def value_text(value: float, unit: str) -> str:
    """Return a value of a figure with its unit; shares as fractions."""
    if unit == "":
        return fraction(value) if value <= 1 else number(value)
    return number(value) if unit == "1" else amount(value, unit)


def _step(step: StepRecord) -> list[Block]:
    blocks: list[Block] = [Paragraph(text=sentence(text)) for text in step.says]
    if step.figures:
        rows = tuple((figure.title, measured_text(figure)) for figure in step.figures)
        blocks.append(Grid(headers=("figure", "measured (95 %)"), rows=rows, figures=(1,), caption=""))
    if step.command:
        blocks.append(Code(text=step.command, language="shell"))
    return blocks


def _limits(record: JobRecord) -> list[Block]:
    return [Paragraph(text=text) for text in record.limits]


def decision_sections(record: JobRecord) -> tuple[tuple[str, tuple[Block, ...]], ...]:
    """Return the name and the blocks of each section."""
    choices = [step.choice for step in record.steps if step.choice is not None]
    return (
        ("Context", (Paragraph(text=record.title), *_purpose(record), Paragraph(text=record.shows))),
        ("Options measured", _options(choices)),
        ("Decision", _decision(choices)),
        ("Consequences", _consequences(record)),
    )


def _options(choices: list[Choice]) -> tuple[Block, ...]:
    grids = tuple(
        Grid(
            headers=("option", "measured (95 %)"),
            rows=tuple((option.title, measured_text(option)) for option in choice.options),
            figures=(1,),
            caption=choice.question,
        )
        for choice in choices
        if choice.options
    )
    return grids or (Paragraph(text="No second option was measured."),)


def _decision(choices: list[Choice]) -> tuple[Block, ...]:
    if not choices:
        return (Paragraph(text="The job's table fixes every part; no step chose."),)
    return tuple(
        Paragraph(text=f"{choice.question} {sentence(choice.chosen)} {sentence(choice.why)}") for choice in choices
    )


def _consequences(record: JobRecord) -> tuple[Block, ...]:
    blocks: list[Block] = []
    failed = [step.name for step in record.steps if not step.passed]
    if failed:
        blocks.append(Paragraph(text=f"Checks that failed: {', '.join(failed)}."))
    missed = tuple((name, f"{measured}; asked {bound_text(target, unit)}") for target, name, measured, unit in
                   missed_targets(record))  # fmt: skip
    if missed:
        blocks += [Paragraph(text="Targets that are missed:"), Facts(rows=missed)]
    else:
        blocks.append(Paragraph(text="No target is missed." if record.targets else "The job has no targets."))
    blocks += [Paragraph(text=text) for text in record.limits]
    commands = dict.fromkeys(step.command for step in record.steps if step.command)
    return (*blocks, Code(text="\n".join(commands), language="shell")) if commands else tuple(blocks)


# Units of the drawing from above: room for the time, a metre, and between strips; metres in sight behind, and of a car.
_TIME, _METRE, _BETWEEN = 130.0, 7.0, 12.0
_BEHIND, _LONG, _WIDE = 12.0, 5.0, 2.0


def lane_view_html(view: LaneView) -> Markup:
    """Return the strips with a sentence below; pointing at a car tells how far ahead it is."""
    height = view.lanes * view.width * _METRE
    parts = [
        part for row, frame in enumerate(view.frames) for part in _strip(view, frame, row * (height + _BETWEEN), height)
    ]
    words = "; ".join(
        f"{frame.time:g} s: {frame.action}, {plural(len(frame.others), 'car')} in sight" for frame in view.frames
    )
    whole = len(view.frames) * (height + _BETWEEN)
    return Markup(  # noqa: S704 - figures only; texts are escaped where they enter
        '<div class="scroll" role="group" tabindex="0" aria-label="Road from above">'
        f"{drawing(parts, words, _WIDTH, whole, 12, 'timeline')}</div>"
        f'<p class="note">{escape(view.title)}. The own car is at the left in each strip; all drive to the right.</p>'
    )


def _strip(view: LaneView, frame: LaneFrame, top: float, height: float) -> Iterator[str]:
    yield f'<rect x="{_TIME:g}" y="{top:g}" width="{_WIDTH - _TIME:g}" height="{height:g}" fill="var(--tint)"/>'
    for lane in range(1, view.lanes):
        y = top + lane * view.width * _METRE
        yield f'<path d="M{_TIME:g} {y:g}H{_WIDTH:g}" stroke="var(--quiet)" stroke-dasharray="14 12"/>'
    yield _car(view, 0.0, 0.0, top, "series-1", f"the own car: {frame.action}")
    for ahead, right in frame.others:
        if -_BEHIND + _LONG / 2 <= ahead <= (_WIDTH - _TIME) / _METRE - _BEHIND - _LONG / 2:
            yield _car(view, ahead, right, top, "series-2", f"another car, {ahead:.0f} m ahead")
    middle = top + height / 2
    for text, y, fill in ((f"{frame.time:g} s", middle - 3, "quiet"), (frame.action, middle + 13, "ink")):
        yield svg_text(_TIME - 10, y, text, "end", fill)


def _car(view: LaneView, ahead: float, right: float, top: float, colour: str, name: str) -> str:
    x = _TIME + (ahead + _BEHIND - _LONG / 2) * _METRE
    y = top + ((view.lane + 0.5) * view.width + right - _WIDE / 2) * _METRE
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_LONG * _METRE:g}" height="{_WIDE * _METRE:g}" rx="4" '
        f'fill="var(--{colour})"><title>{escape(name)}</title></rect>'
    )
