"""Decision record as a self-contained HTML page in light and dark, without external requests."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from edgewright.schema.advice import Advice, Place
from edgewright.schema.ladder import LadderRecord
from edgewright.search.advise.document import CONTEXT, OPTIONS, lead_of, sections, title_of
from edgewright.search.advise.placement import joules
from edgewright.search.ladder.verdict import figure
from edgewright.trace.charts import drawing, svg_text
from edgewright.trace.html import Shown, blocks_html, sections_page

_WIDTH, _LEFT, _RIGHT, _ROW = 560.0, 118.0, 92.0, 24.0


def scores(record: LadderRecord, choice: str) -> Markup:
    """Return a chart of all scores with their intervals; a dashed line marks the choice."""
    lines = [(one.title, one.score, one.title == choice) for one in record.rungs if one.score]
    low, high = min(score.low for _, score, _ in lines), max(score.high for _, score, _ in lines)
    wide = (high - low) or 1.0

    def at(value: float) -> float:
        return round(_LEFT + (value - low) / wide * (_WIDTH - _LEFT - _RIGHT), 1)

    height = _ROW * len(lines) + 26
    label = f"{record.metric_title} with 95 % CI: " + ", ".join(
        f"{name} {figure(score.value)}" for name, score, _ in lines
    )
    parts = []
    for index, (name, score, chosen) in enumerate(lines):
        y = _ROW * index + 14
        colour = "var(--series-2)" if chosen else "var(--series-1)"
        parts.append(svg_text(_LEFT - 8, y + 4, name, "end", bold=chosen))
        parts.append(f'<path d="M{at(score.low):g} {y:g}H{at(score.high):g}" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<circle cx="{at(score.value):g}" cy="{y:g}" r="4" fill="{colour}"/>')
        parts.append(svg_text(_WIDTH - _RIGHT + 12, y + 4, figure(score.value), "start", bold=chosen))
        if chosen:
            x, end = at(score.value), height - 22
            parts.append(f'<path d="M{x:g} 4V{end:g}" stroke="var(--line)" stroke-dasharray="2 3"/>')
    parts += [
        svg_text(_LEFT, height - 6, figure(low), "start"),
        svg_text(_WIDTH - _RIGHT, height - 6, figure(high), "end"),
    ]
    return drawing(parts, label, _WIDTH, height, 12)


def energy(places: Sequence[Place], chosen: str) -> Markup:
    """Return a bar chart of the device energy per day in each place: radio, computing, sleeping."""
    maximum = max(place.energy_j_day for place in places) or 1.0
    height = 30.0 * len(places) + 6
    text = ", ".join(f"{p.name} {joules(p.energy_j_day)}" for p in places)
    parts = []
    for number, location in enumerate(places):
        x, y = _LEFT, 30.0 * number + 4
        parts.append(svg_text(_LEFT - 8, y + 15, location.name, "end", bold=location.name == chosen))
        for series, part in enumerate((location.radio_j_day, location.compute_j_day, location.sleep_j_day), 1):
            wide = round(part / maximum * (_WIDTH - _LEFT - _RIGHT), 1)
            parts.append(f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="20" fill="var(--series-{series})"/>')
            x += wide
        parts.append(svg_text(x + 8, y + 15, joules(location.energy_j_day), "start", bold=location.name == chosen))
    return drawing(parts, f"Device energy per day by place: {text}", _WIDTH, height, 12)


def advice_page(record: Advice) -> str:
    """Return the HTML page of a record."""
    shown: list[Shown] = []
    for number, (name, blocks) in enumerate(sections(record), 1):
        html = blocks_html(blocks, level=3)
        if name == CONTEXT:
            html += _figure(
                energy(record.places, record.place),
                "Device energy per day by place of the model: radio, computing, sleeping.",
            )
        if name == OPTIONS and record.ladder is not None:
            words = "higher is better" if record.ladder.higher else "lower is better"
            html = (
                _figure(
                    scores(record.ladder, record.choice),
                    f"{record.ladder.metric_title} ({words}), 95 % CI; dashed: the choice.",
                )
                + html
            )
        shown.append((f"part-{number}", name, html))
    return sections_page(title_of(record), lead_of(record), shown)


def _figure(drawing: Markup, caption: str) -> Markup:
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(drawing, caption)
