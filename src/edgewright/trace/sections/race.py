"""Race: the pipelines that were compared before the run, the best first; their table also as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UnsetType

from edgewright.core.formatting import bytes_text, plural
from edgewright.schema.race import EntrantRecord, RaceRecord
from edgewright.schema.trace import Trace
from edgewright.trace.blocks.markdown import table_lines
from edgewright.trace.blocks.race_picture import race_figure
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
    text = (
        f"{record.why[0].upper()}{record.why[1:]}. The race took {record.cpu_seconds:.0f} of "
        f"{record.budget_s:.0f} CPU seconds and ended because {record.ended}."
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


SECTION = Section(15, "Race", lambda trace: race_blocks(trace.race), page=_page)
