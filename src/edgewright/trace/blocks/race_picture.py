"""A race as a picture: score against bytes of flash, a point a pipeline, and the flash of the device as a line."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup, escape

from edgewright.core.formatting import bytes_text, plural
from edgewright.schema.footprint import Footprint
from edgewright.schema.race import EntrantRecord, RaceRecord
from edgewright.schema.trace import Interval
from edgewright.trace.blocks.charts import Axis, drawing, frame, svg_text, value_axis

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
