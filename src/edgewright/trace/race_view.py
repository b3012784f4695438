"""The table of a race: its cells, and the whole as Markdown."""

from __future__ import annotations

from edgewright.core.formatting import bytes_text, plural
from edgewright.schema.race import EntrantRecord, RaceRecord
from edgewright.trace.blocks_markdown import table_lines

HEADERS = ("pipeline", "score (95 % CI)", "flash", "RAM", "CPU time", "what became of it")


def compared(record: RaceRecord) -> str:
    """Return what was compared how, in sentences."""
    kept = "single rows" if record.kept == "row" else f"whole {record.kept}s"
    return (
        f"Score: {record.metric_title}, because {record.metric_why}; on {kept} that were not trained on, of "
        f"{plural(record.samples, 'training sample')}. The samples that judge the run were not used."
    )


def choice(record: RaceRecord) -> str:
    """Return the choice, what the race took, and the ceiling, in sentences."""
    text = (
        f"{record.why[0].upper()}{record.why[1:]}. The race took {record.cpu_seconds:.0f} of "
        f"{record.budget_s:.0f} CPU seconds and ended because {record.ended}."
    )
    return f"{text} Without a budget: {record.ceiling}." if record.ceiling else text


def race_lines(record: RaceRecord) -> list[str]:
    """Return the race as lines of Markdown: what was compared how, the table, and the choice."""
    return [
        compared(record),
        "",
        *table_lines(HEADERS, map(cells, record.entrants), (2, 3, 4)),
        "",
        choice(record),
    ]


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
