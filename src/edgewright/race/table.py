"""The table of a race, as Markdown."""

from __future__ import annotations

from edgewright.core.formatting import plural
from edgewright.profiles.footprint import amount
from edgewright.schema.race import EntrantRecord, RaceRecord

HEADERS = ("pipeline", "score (95 % CI)", "flash", "RAM", "CPU time", "what became of it")


def race_lines(record: RaceRecord) -> list[str]:
    """Return the race as lines of Markdown: what was compared how, the table, and the choice."""
    kept = "single rows" if record.kept == "row" else f"whole {record.kept}s"
    lines = [
        f"Score: {record.metric_title}, because {record.metric_why}; on {kept} that were not trained on, of "
        f"{plural(record.samples, 'training sample')}. The samples that judge the run were not used.",
        "",
        f"| {' | '.join(HEADERS)} |",
        "|---|---|---:|---:|---:|---|",
        *(f"| {' | '.join(row(entrant))} |" for entrant in record.entrants),
        "",
        f"{record.why[0].upper()}{record.why[1:]}. The race took {record.cpu_seconds:.0f} of "
        f"{record.budget_s:.0f} CPU seconds and ended because {record.ended}.",
    ]
    return [*lines, "", f"Without a budget: {record.ceiling}."] if record.ceiling else lines


def row(entrant: EntrantRecord) -> tuple[str, ...]:
    """Return the cells of an entrant; the last one says what became of it, or else what it is good for."""
    score, footprint = entrant.score, entrant.footprint
    return (
        entrant.title,
        "" if score is None else f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})",
        "" if footprint is None else amount(footprint.flash.value, "B"),
        "" if footprint is None else amount(footprint.ram.value, "B"),
        f"{entrant.cpu_seconds:.1f} s",
        entrant.left_out or (f"exceeds {entrant.beyond}" if entrant.beyond else entrant.verdict or entrant.strength),
    )
