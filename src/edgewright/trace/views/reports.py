"""Views of the race and of compressed forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from edgewright.core.formatting import amount, bytes_text, duration_text, microseconds_text, number, plural
from edgewright.core.records.compress import CompressRecord, CompressRow
from edgewright.core.records.race import EntrantRecord, RaceRecord
from edgewright.trace.blocks.view_blocks import Cell, Table, ViewBlock, line, row
from edgewright.trace.sections.race import HEADERS, cells
from edgewright.trace.sentences.facts import engine_flips_text, interval_text

_FIGURES = range(2, 5)


@contextmanager
def shown_race(console: Console) -> Iterator[Callable[[RaceRecord], None] | None]:
    """Give a function that shows a race as a table, which the next call replaces; None where there is no terminal.

    Below the table stands how much time is left, until the race has ended.
    """
    if not console.is_terminal:
        yield None
        return
    with Live(console=console, auto_refresh=False) as live:
        table = RichTable()

        def show(race: RaceRecord) -> None:
            nonlocal table
            table = race_table(race.entrants)
            live.update(Group(table, Text(_time_left(race))), refresh=True)

        yield show
        live.update(table, refresh=True)


def _time_left(race: RaceRecord) -> str:
    left = duration_text(max(0, round(race.budget_s - race.cpu_seconds)))
    return f"at most {left} of CPU time left; Ctrl-C takes the best so far"


def race_table(entrants: Sequence[EntrantRecord]) -> RichTable:
    """Return the table of the entrants that were measured."""
    *figures, last = HEADERS
    table = RichTable(box=None, pad_edge=False)
    for index, header in enumerate(figures):
        table.add_column(header, justify="right" if index in _FIGURES else "left", no_wrap=True)
    table.add_column(_giving_way(last))
    for entrant in entrants:
        if entrant.score is not None:
            *of_entrant, became = cells(entrant)
            table.add_row(*of_entrant, _giving_way(became))
    return table


def _giving_way(text: str) -> Text:
    """Return a text that is cut where the terminal is narrow, so that figures are whole."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def compress_blocks(record: CompressRecord) -> list[ViewBlock]:
    """Return two tables (what a form answers, what it costs), how forms were made, the choice, its flips, and notes."""
    chosen = next(row for row in record.rows if row.name == record.chosen)
    classes = any(row.accuracy is not None for row in record.rows)
    answers, costs = [], []
    for form in record.rows:
        # A star marks the Pareto front.
        name = Cell(f"{'*' if form.front else ' '}{form.name}", "strong" if form is chosen else "")
        answers.append(row(
            name, f"{form.validation.value:.4f}" if form.validation is not None else number(form.validation_error),
            interval_text(form.accuracy) if form.accuracy is not None else number(form.error),
            "-" if form is record.rows[0] else _lost(form, classes),
            f"{form.flips:,}" if form.accuracy is not None else "-",
        ))  # fmt: skip
        costs.append(row(
            name, bytes_text(form.weight_bytes), bytes_text(form.file_bytes), bytes_text(form.compressed_bytes),
            "-" if form.tflite_bytes is None else bytes_text(form.tflite_bytes), f"{form.macs:,}",
            microseconds_text(form.latency_p50_us), microseconds_text(form.latency_p99_us),
        ))  # fmt: skip
    score = "test accuracy (95 %)" if classes else "test error"
    blocks: list[ViewBlock] = [
        Table("", ("form", "#validation", score, "lost", "#flips"), answers),
        Table("", ("form", "#weights", "#file", "#zlib", "#.tflite", "#MACs", "#p50 here", "#p99 here"), costs),
        *(line(f"{form.name}: {form.recipe}", "quiet") for form in record.rows), line(_choice(record, chosen)),
    ]  # fmt: skip
    changed = ", ".join(f"{label} ({count:,})" for label, count in chosen.flips_by_class if count)
    different = f"{chosen.name} predicts a different class than float for {plural(chosen.flips, 'sample')}: {changed}"
    budget = ", ".join(
        f"{used.name} {amount(used.used, used.unit)} of {amount(used.available, used.unit)}"
        for used in record.budget
        if used.available
    )
    notes = (
        different if changed else "", engine_flips_text(chosen),
        f"{chosen.name} on {record.device}, estimated: {budget}" if budget else "", record.split, *record.notes,
    )  # fmt: skip
    return [*blocks, *(line(text, "quiet") for text in notes if text)]


def _lost(row: CompressRow, classes: bool) -> str:
    """'+0.42 points (-0.10 to +0.94), p 0.25'."""
    digits, unit = (2, " points") if classes else (1, " %")
    text, interval = f"{100 * row.drop:+.{digits}f}{unit}", row.drop_interval
    if interval is not None:
        text += f" ({100 * interval.low:+.{digits}f} to {100 * interval.high:+.{digits}f})"
    return text if row.p is None else f"{text}, p {row.p:.2g}"


def _choice(record: CompressRecord, chosen: CompressRow) -> str:
    first = record.rows[0]
    if record.refused:
        return f"no package: {record.refused}"
    kept = any(word.startswith("--keep") for word in record.options)
    limit = f"{100 * record.max_drop:g} %"
    why = "as set by --keep" if kept else f"the smallest file that loses at most {limit} on the validation samples"
    smaller = first.weight_bytes / max(chosen.weight_bytes, 1)
    saved = "" if chosen.file_bytes < first.file_bytes else ", but the file is no smaller than the float one"
    return f"chosen: {chosen.name}, {why}; weights {smaller:.1f}x smaller{saved}"
