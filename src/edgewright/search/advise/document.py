"""Decision record: its sections as blocks, in Markdown, and as a self-contained HTML page in light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup

from edgewright.core.formatting import bytes_text, microseconds_text, number
from edgewright.pipeline.run_folder.folder import new_run_folder
from edgewright.schema.advice import Advice, Placement
from edgewright.schema.lesson import Block, Code, Facts, Grid, Heading, Paragraph
from edgewright.schema.race import LadderRecord
from edgewright.schema.trace_flow import encode_record
from edgewright.search.advise.placement import DEVICE, SERVER, count, days, dollars, joules
from edgewright.search.ladder.document import ladder_head, ladder_tables, sentence
from edgewright.search.ladder.model_comparison import figure
from edgewright.trace.blocks.charts import drawing, svg_text
from edgewright.trace.blocks.markdown import markdown_of
from edgewright.trace.html import Shown, blocks_html, sections_page
from edgewright.trace.sentences.readiness import NO_MODEL


def markdown(record: Advice) -> str:
    """Return the record in Markdown, in the form of an architecture decision record."""
    status = "accepted" if record.met else "not every need is met"
    return markdown_of(title_of(record), f"advised, {status}", sections(record))


CONTEXT, OPTIONS, DECISION, CONSEQUENCES = "Context", "Options measured", "Decision", "Consequences"


def title_of(record: Advice) -> str:
    """Return the title of the record."""
    return f"{record.name}: {record.choice}" + ("" if record.choice == NO_MODEL else f", on the {record.location}")


def lead_of(record: Advice) -> str:
    """Return the decision in one or two sentences."""
    if record.choice == NO_MODEL:
        return f"{record.frame.task.capitalize()}; {record.choice}: {sentence(record.choice_why)}"
    text = f"{record.frame.task.capitalize()}; {record.choice}; it runs on the {record.location}."
    return text + ("" if record.met else " Not every need is met.")


def sections(record: Advice) -> tuple[tuple[str, tuple[Block, ...]], ...]:
    """Return the name and the blocks of each section, in order."""
    return (
        (CONTEXT, (*_frame(record), *_constraints(record))),
        (OPTIONS, (*_existing(record), *_options(record))),
        (DECISION, _decision(record)),
        (CONSEQUENCES, _consequences(record)),
        ("Figures and sources", _figures(record)),
    )


def advice_blocks(record: Advice) -> tuple[Block, ...]:
    """Return what a terminal shows: the decision and all sections but the figures, which the record has."""
    named = [(Heading(text=name), *blocks) for name, blocks in sections(record)[:-1]]
    return (
        Heading(text=title_of(record)),
        Paragraph(text=lead_of(record)),
        *(block for part in named for block in part),
    )


def stored(out: Path | None, record: Advice) -> Path:
    """Write record, Markdown and page into a new folder; a number is added to its name where it is taken."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", record.name).strip("-.")[:40] or "data"
    parent, folder = (Path("advice"), name) if out is None else (out.parent, out.name)
    with new_run_folder(parent, folder) as location:
        (location.work / "advice.json").write_bytes(encode_record(record))
        (location.work / "advice.md").write_text(markdown(record), encoding="utf-8")
        (location.work / "advice.html").write_text(advice_page(record), encoding="utf-8")
    return location.final


def _frame(record: Advice) -> tuple[Block, ...]:
    frame = record.frame
    needed = [part.name for part in frame.capabilities if part.needed]
    rows = tuple((part.name, "yes" if part.needed else "no", part.why) for part in frame.capabilities)
    blocks: list[Block] = [
        Heading(text="1. Frame"),
        Paragraph(text=f"Task: {frame.task}. " + _sentences(frame.why)),
        Paragraph(text=f"Large-model capabilities needed: {', '.join(needed) or 'none'}."),
        Grid(headers=("capability", "needed", "why"), rows=rows),
    ]
    if frame.left_out:
        blocks += [Paragraph(text="Excluded columns:"), Facts(rows=frame.left_out)]
    return tuple(blocks)


def _constraints(record: Advice) -> tuple[Block, ...]:
    traffic = record.traffic
    requested = ", ".join(need.text for need in record.needs) or "none"
    text = (
        f"Needs: {requested}. Per day: {bytes_text(traffic.raw_bytes_day)} of readings and "
        f"{count(traffic.answers_day)} answers, of which {count(traffic.told_day)} are new. " + _sentences(traffic.how)
    )
    missed = tuple((location.name, "; ".join(location.misses)) for location in record.places if location.misses)
    leaves = next((location.leaves for location in record.places if location.name == SERVER), "")
    return (
        Heading(text="2. Constraints"),
        Paragraph(text=text),
        Grid(
            headers=("per day and device", *(location.name for location in record.places)),
            rows=(
                *((name, *(write(location) for location in record.places)) for name, write in _PLACE_ROWS),
                ("battery lasts", *(battery_text(location, record.battery) for location in record.places)),
            ),
            caption=f"Link: {record.radio}. Device: {record.device}. Modelled; figures and sources are below.",
        ),
        Facts(rows=(*missed, ("sent to a server", leaves))),
    )


def battery_text(location: Placement, battery: bool) -> str:
    """Return the battery life as text."""
    return days(location.battery_days) if battery else "mains power"


def latency_text(location: Placement) -> str:
    """Return the time from the last reading to the answer as text."""
    if location.computing:
        return microseconds_text(1e6 * location.latency_s)
    return f"{microseconds_text(1e6 * location.latency_s)} (link only)" if location.latency_s else "unknown"


def computing_text(location: Placement) -> str:
    """Return the energy that the device uses for computing per day as text."""
    return joules(location.compute_j_day) if location.computing or location.name != DEVICE else "unknown"


_PLACE_ROWS: tuple[tuple[str, Callable[[Placement], str]], ...] = (
    ("runs on", lambda p: p.runs_on),
    ("sent, including headers", lambda p: f"{bytes_text(p.bytes_day)} in {count(p.messages_day)} messages"),
    ("device: radio", lambda p: joules(p.radio_j_day)),
    ("device: computing", computing_text),
    ("device: sleeping", lambda p: joules(p.sleep_j_day)),
    ("device: total energy", lambda p: joules(p.energy_j_day)),
    ("gateway and server energy", lambda p: joules(p.elsewhere_j_day)),
    ("answer latency", latency_text),
    ("downtime", lambda p: f"{p.silent_hours_day:.2g} h"),
    ("cost per year", lambda p: dollars(p.cost_year)),
    ("data leaving the device", lambda p: "answers" if p.name == DEVICE else "every reading"),
    ("needs not met", lambda p: str(len(p.misses)) if p.misses else "none"),
)


def _existing(record: Advice) -> tuple[Block, ...]:
    blocks: list[Block] = [Heading(text="3. Existing solutions and simple rules")]
    rows = tuple(
        (
            solution.name,
            "; ".join(filter(None, (solution.measured or "not measured", solution.purpose, solution.command))),
        )
        for solution in record.existing
    )
    if rows:
        blocks.append(Facts(rows=rows))
    else:
        blocks.append(Paragraph(text="No known public data set, pipeline or detector fits this data."))
    return tuple(blocks)


def _options(record: Advice) -> tuple[Block, ...]:
    blocks: list[Block] = [Heading(text="4 and 5. The simplest model that is good enough")]
    ladder = record.ladder
    if ladder is None:
        blocks.append(Grid(headers=("option", "measured"), rows=record.measured))
        return tuple(blocks)
    blocks += [Paragraph(text=ladder_head(ladder)), *ladder_tables(ladder)]
    if record.curve_note:
        blocks.append(Paragraph(text=f"More data: {sentence(record.curve_note)}"))
    return tuple(blocks)


def _decision(record: Advice) -> tuple[Block, ...]:
    blocks: list[Block] = [
        Paragraph(text=f"{record.choice.capitalize()}: {sentence(record.choice_why)}"),
    ]
    if record.choice == NO_MODEL:
        return tuple(blocks)
    blocks.append(Paragraph(text=f"It runs on the {record.location}: {sentence(record.place_why)}"))
    if record.unmet:
        blocks.append(Paragraph(text="Not met: " + _sentences(record.unmet)))
    says = next((rung.says for rung in record.ladder.rungs if rung.title == record.choice), "") if record.ladder else ""
    if says:
        blocks.append(Facts(rows=(("fitted on all samples", says),)))
    return tuple(blocks)


def _consequences(record: Advice) -> tuple[Block, ...]:
    blocks: list[Block] = [Heading(text="Costs"), Facts(rows=record.costs)] if record.costs else []
    if record.flips:
        rows = tuple((flip.when, flip.then) for flip in record.flips)
        blocks += [Heading(text="What would change the decision"), Facts(rows=rows)]
    if record.notes:
        blocks += [Heading(text="Notes"), *(Paragraph(text=note) for note in record.notes)]
    blocks += [Heading(text="Next steps"), Code(text="\n".join(record.commands), language="shell")]
    return tuple(blocks)


def _figures(record: Advice) -> tuple[Block, ...]:
    rows = tuple((row.name, f"{number(row.value)} {row.unit}; {row.source}") for row in record.parameters)
    return (
        Paragraph(text="Change a figure with --price NAME=VALUE. Power and speed come from the device profiles."),
        Facts(rows=rows),
    )


def _sentences(parts: tuple[str, ...]) -> str:
    return " ".join(sentence(part) for part in parts)


_WIDTH, _LEFT, _RIGHT, _ROW = 560.0, 118.0, 92.0, 24.0


def scores(record: LadderRecord, choice: str) -> Markup:
    """Return a chart of all scores with their intervals; a dashed line marks the choice."""
    lines = [(rung.title, rung.score, rung.title == choice) for rung in record.rungs if rung.score]
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


def energy(places: Sequence[Placement], chosen: str) -> Markup:
    """Return a bar chart of the device energy per day in each place: radio, computing, sleeping."""
    maximum = max(target.energy_j_day for target in places) or 1.0
    height = 30.0 * len(places) + 6
    text = ", ".join(f"{p.name} {joules(p.energy_j_day)}" for p in places)
    parts = []
    for index, location in enumerate(places):
        x, y = _LEFT, 30.0 * index + 4
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
    for index, (name, blocks) in enumerate(sections(record), 1):
        html = blocks_html(blocks, level=3)
        if name == CONTEXT:
            html += _figure(
                energy(record.places, record.location),
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
        shown.append((f"part-{index}", name, html))
    return sections_page(title_of(record), lead_of(record), shown)


def _figure(drawing: Markup, caption: str) -> Markup:
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(drawing, caption)
