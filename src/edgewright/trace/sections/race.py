"""Race: the pipelines that were compared before the run, the best first; their table also as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape
from msgspec import UnsetType

from edgewright.core.formatting import bytes_text, plural
from edgewright.core.records.footprint import Footprint
from edgewright.core.records.race import EntrantRecord, RaceRecord
from edgewright.core.records.trace import Interval, Trace
from edgewright.trace.blocks.charts import Axis, drawing, frame, svg_text, value_axis
from edgewright.trace.blocks.records import table_lines
from edgewright.trace.blocks.view_blocks import Fold, Row, Table, Template, ViewBlock, line, row
from edgewright.trace.sections import Exported, Section

HEADERS = ("pipeline", "score (95 % CI)", "flash", "RAM", "CPU time", "what became of it")


def compared(record: RaceRecord) -> str:
    """Return what was compared how, in sentences."""
    kept = "single rows" if record.kept == "row" else f"whole {record.kept}s"
    text = (
        f"Score: {record.metric_title}, because {record.metric_why}; on {kept} that were not trained on, of "
        f"{plural(record.samples, 'training sample')}. The samples that judge the run were not used."
    )
    if isinstance(record.heat_samples, UnsetType):
        return text
    sizes = [f"{size:,}" for size in record.heat_samples]
    return f"{text} A fit took at most {', '.join(sizes[:-1])} and {sizes[-1]} of them, one heat after the other."


def choice(record: RaceRecord) -> str:
    """Return the choice, what the race took, and the ceiling, in sentences."""
    budget = f" of {record.budget_s:.0f}" if record.budget_s else ""
    text = (
        f"{record.why[0].upper()}{record.why[1:]}. The race took {record.cpu_seconds:.0f}{budget} CPU seconds and "
        f"ended because {record.ended}."
    )
    return f"{text} Without a budget: {record.ceiling}." if record.ceiling else text


def race_lines(record: RaceRecord) -> list[str]:
    """Return the race as lines of Markdown: what was compared how, the table, and the choice."""
    return [compared(record), "", *table_lines(HEADERS, map(cells, record.entrants), (2, 3, 4)), "", choice(record)]


def cells(entrant: EntrantRecord) -> tuple[str, ...]:
    """Return the cells of an entrant; the last one says what became of it, or else what it is good for."""
    score, footprint = entrant.score, entrant.footprint
    return (
        entrant.title,
        "" if score is None else f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})",
        "" if footprint is None else bytes_text(footprint.flash.value),
        "" if footprint is None else bytes_text(footprint.ram.value),
        f"{entrant.cpu_seconds:.1f} s",
        entrant.left_out or (f"exceeds {entrant.beyond}" if entrant.beyond else entrant.verdict or entrant.strength),
    )


_FIGURES = ("flash", "RAM", "CPU time")


def race_blocks(record: RaceRecord | None) -> Sequence[ViewBlock]:
    """Build the choice, and a folded table of the entrants that were measured."""
    if record is None:
        return ()
    rows: list[Row] = [
        row(*cells(entrant), kind="best" if entrant.name == record.chosen else "")
        for entrant in record.entrants
        if entrant.score is not None
    ]
    heads = tuple(f"#{head}" if head in _FIGURES else head for head in HEADERS)
    table = Table("Pipelines that raced, the best first", heads, rows, anchor="race-entrants")
    return (line(choice(record)), Fold(f"All {len(rows)} pipelines", (line(compared(record), "quiet"), table)))


def _page(trace: Trace, _: Exported) -> Sequence[ViewBlock]:
    figure = race_figure(trace.race) if trace.race is not None else ""
    return (Template("race.html", {"figure": figure}),) if figure else ()


SECTIONS = {"race": Section(15, "Race", lambda trace: race_blocks(trace.race), page=_page)}


_WIDTH, _HEIGHT, _TOP, _LEFT, _RIGHT, _BOTTOM = 420.0, 260.0, 24.0, 44.0, 16.0, 38.0
# Marks of the axis of bytes do not touch.
_MARKS = 6

Point = tuple[EntrantRecord, Interval, Footprint]


def race_figure(race: RaceRecord) -> Markup:
    """Return the figure of a race; empty where fewer than two pipelines have a score and a size.

    Args:
        race: the record; without a chosen pipeline while it goes on.
    """
    points = [(e, e.score, e.footprint) for e in race.entrants if e.score is not None and e.footprint is not None]
    if len(points) < 2:
        return Markup()
    chosen = next((point for point in points if point[0].name == race.chosen), None)
    beyond = sum(bool(entrant.beyond) for entrant, _, _ in points)
    label = f"{race.metric_title} of {plural(len(points), 'pipeline')} against bytes of flash"
    if chosen is not None:
        label += f": {chosen[0].title} is chosen, {chosen[1].value:.3f} in {bytes_text(chosen[2].flash.value)}"
    if beyond:
        label += f"; {beyond} do not fit {race.profile}" if beyond > 1 else f"; one does not fit {race.profile}"
    caption = Markup("<strong>{}</strong> against flash, {} is better.").format(
        race.metric_title[:1].upper() + race.metric_title[1:], "more" if race.higher else "less"
    )
    keys = ["Ring: chosen."] if chosen is not None else []
    keys += ["Hollow: does not fit."] if beyond else []
    return Markup('<figure class="plot race"><figcaption>{} {}</figcaption>{}</figure>').format(
        caption, " ".join(keys), drawing(_parts(race, points, chosen), label, _WIDTH, _HEIGHT)
    )


def _parts(race: RaceRecord, points: list[Point], chosen: Point | None) -> Iterator[str]:
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    sizes = [footprint.flash.value for _, _, footprint in points]
    y_axis = value_axis([score.value for _, score, _ in points], base, _TOP, "")
    limit = [float(race.flash)] if race.flash else []
    x_axis = value_axis(sizes + limit, _LEFT, right, "B", logarithmic=True)
    yield from frame(x_axis, y_axis, "flash of the whole program, logarithmic", _MARKS)
    for size in limit:
        x = x_axis.at(size)
        yield f'<path d="M{x:g} {_TOP:g}V{base:g}" stroke="var(--bad)" stroke-width="1.5" stroke-dasharray="5 4"/>'
        side = "end" if x > _WIDTH / 2 else "start"
        yield svg_text(x, _TOP - 9, f"flash of {race.profile}: {bytes_text(size)}", side)
    for point in points:
        yield _point(*point, x_axis, y_axis, ringed=point is chosen)
    if chosen is not None:
        entrant, score, footprint = chosen
        x, y = x_axis.at(footprint.flash.value), y_axis.at(score.value)
        side = "end" if x > _WIDTH / 2 else "start"
        text = svg_text(x, y + 20 if y < _TOP + 20 else y - 12, entrant.title, side, bold=True)
        yield f'<g paint-order="stroke" stroke="var(--paper)" stroke-width="4" stroke-linejoin="round">{text}</g>'


def _point(
    entrant: EntrantRecord, score: Interval, footprint: Footprint, x_axis: Axis, y_axis: Axis, *, ringed: bool
) -> str:
    x, y = x_axis.at(footprint.flash.value), y_axis.at(score.value)
    fits = f", exceeds {entrant.beyond}" if entrant.beyond else ""
    interval = f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
    text = f"{entrant.title}: {interval}, {bytes_text(footprint.flash.value)}{fits}"
    look = 'fill="var(--paper)" stroke="var(--quiet)"' if entrant.beyond else 'fill="var(--series-1)"'
    ring = f'<circle cx="{x:g}" cy="{y:g}" r="8" fill="none" stroke="var(--ink)" stroke-width="2"/>' if ringed else ""
    return f'<g class="entrant"><title>{escape(text)}</title><circle cx="{x:g}" cy="{y:g}" r="4.5" {look}/>{ring}</g>'
