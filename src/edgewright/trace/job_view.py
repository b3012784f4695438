"""A job on the terminal and as one page: its figures against their targets, and each step with what it found."""

from __future__ import annotations

from markupsafe import Markup

from edgewright.core.formatting import amount, fraction, number, plural, seconds_text
from edgewright.schema.job import JobChart, JobFigure, JobRecord, StepRecord, Target
from edgewright.schema.lesson import Block, Code, Facts, Grid, Heading, Paragraph
from edgewright.trace.charts import draw, legend, sampled
from edgewright.trace.html import Shown, blocks_html, sections_page
from edgewright.trace.timeline import timeline_html
from edgewright.trace.view_blocks import Chart, Curve

DECISION = "decision.md"
"""File of the decision record beside a job's page."""


def job_blocks(record: JobRecord) -> tuple[Block, ...]:
    """Return what is printed."""
    made: list[Block] = [*_overview(record)]
    for step in record.steps:
        made += [Heading(text=step.title), *_step(step)]
    if record.limits:
        made += [Heading(text="What these figures do not show"), *_limits(record)]
    return tuple(made)


def job_page(record: JobRecord) -> str:
    """Return one self-contained page."""
    link = Markup('<p>The decision record: <a href="{0}">{0}</a></p>').format(DECISION)
    shown: list[Shown] = [("overview", "Overview", blocks_html(_overview(record), level=3) + link)]
    for step in record.steps:
        body = blocks_html(_step(step), level=3)
        if step.timeline is not None:
            body += timeline_html(step.timeline)
        for chart in step.charts:
            body += _chart(chart)
        if step.folder:
            body += _link(step)
        shown.append((step.name, step.title, body))
    if record.limits:
        shown.append(("limits", "What these figures do not show", blocks_html(_limits(record), level=3)))
    return sections_page(record.title, record.shows, shown)


_PAGES = {
    "run": "trace.html", "tune": "tune.html", "ladder": "ladder.json", "intervals": "intervals.json",
    "flow": "flow.toml", "practice": "readings.jsonl",
}  # fmt: skip


def _link(step: StepRecord) -> Markup:
    """Return a link to what a step left beside the page."""
    file = _PAGES.get(step.kind, "")
    return Markup('<p><a href="{0}/{1}">{0}/{1}</a></p>').format(step.folder, file)


def _chart(chart: JobChart) -> Markup:
    curves = tuple(Curve(one.name, sampled(one.points)) for one in chart.curves)
    drawn = draw(Chart(chart.title, chart.x_title, curves, chart.label, unit=chart.unit))
    return Markup(
        '<figure class="chart"><p class="legend" aria-hidden="true">{}</p>{}<figcaption>{}</figcaption></figure>'
    ).format(legend(curves), drawn, f"{chart.title}. {chart.label}")


def _overview(record: JobRecord) -> list[Block]:
    steps = ", ".join(f"{step.name} ({seconds_text(step.seconds)})" for step in record.steps)
    failed = [step.name for step in record.steps if not step.passed]
    verdict = f"failed: {', '.join(failed)}" if failed else "every check passed"
    if missed := len(missed_targets(record)):
        verdict += f"; {missed} of {plural(len(record.targets), 'target')} missed"
    made: list[Block] = [Facts(rows=(("verdict", verdict), ("steps", steps)))]
    rows = tuple(row for target in record.targets if (row := _target_row(record, target)))
    if rows:
        made.append(
            Grid(headers=("figure", "measured (95 %)", "target", ""), rows=rows, figures=(1, 2), caption="Targets")
        )
    return made


def missed_targets(record: JobRecord) -> list[tuple[Target, str, str, str]]:
    """Return each target that is missed, with its name in words, what was measured, and its unit."""
    made = []
    for target in record.targets:
        figure = _figure_of(record, target)
        if figure is None:
            made.append((target, f"{target.step}: {target.figure}", "not measured", ""))
        elif target_word(figure, target) == "missed":
            made.append((target, f"{target.step}: {figure.title}", measured_text(figure), figure.unit))
    return made


def _figure_of(record: JobRecord, target: Target) -> JobFigure | None:
    step = next((one for one in record.steps if one.name == target.step), None)
    return next((one for one in step.figures if one.name == target.figure), None) if step else None


def _target_row(record: JobRecord, target: Target) -> tuple[str, ...] | None:
    figure = _figure_of(record, target)
    if figure is None:
        return (f"{target.step}: {target.figure}", "not measured", bound_text(target, ""), "missed")
    return (
        f"{target.step}: {figure.title}",
        measured_text(figure),
        bound_text(target, figure.unit),
        target_word(figure, target),
    )


def target_word(figure: JobFigure, target: Target) -> str:
    """Return whether a figure reaches its target: 'reached' or 'missed'."""
    low = target.minimum is None or figure.value >= target.minimum
    high = target.maximum is None or figure.value <= target.maximum
    return "reached" if low and high else "missed"


def bound_text(target: Target, unit: str) -> str:
    """Return what a target asks for."""
    if target.minimum is not None and target.maximum is not None:
        return f"{_value(target.minimum, unit)} to {_value(target.maximum, unit)}"
    if target.maximum is not None:
        return f"at most {_value(target.maximum, unit)}"
    return "" if target.minimum is None else f"at least {_value(target.minimum, unit)}"


def measured_text(figure: JobFigure) -> str:
    """Return a figure with its interval."""
    text = _value(figure.value, figure.unit)
    if figure.interval is None:
        return text
    return f"{text} ({_value(figure.interval.low, figure.unit)} to {_value(figure.interval.high, figure.unit)})"


def _value(value: float, unit: str) -> str:
    if unit == "":
        return fraction(value) if value <= 1 else number(value)
    return number(value) if unit == "1" else amount(value, unit)


def _step(step: StepRecord) -> list[Block]:
    made: list[Block] = [Paragraph(text=_sentence(text)) for text in step.says]
    if step.figures:
        rows = tuple((figure.title, measured_text(figure)) for figure in step.figures)
        made.append(Grid(headers=("figure", "measured (95 %)"), rows=rows, figures=(1,), caption=""))
    if step.command:
        made.append(Code(text=step.command, language="shell"))
    return made


def _sentence(text: str) -> str:
    """Begin with a capital, unless with a name such as `intervals/turbofan.edge`, and end with a full stop."""
    if text.split(" ", 1)[0].rstrip(",.;").isalpha():
        text = text[:1].upper() + text[1:]
    return f"{text.removesuffix('.')}."


def _limits(record: JobRecord) -> list[Block]:
    return [Paragraph(text=text) for text in record.limits]
