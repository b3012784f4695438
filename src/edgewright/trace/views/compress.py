"""The table of a compression on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.text import Text

from edgewright.core.formatting import amount, bytes_text, microseconds_text, number, plural
from edgewright.schema.compress import CompressRecord, CompressRow
from edgewright.schema.trace import BudgetRow
from edgewright.trace.page import Page, add, note, table
from edgewright.trace.sentences.facts import engine_flips_text, interval_text


def compress_parts(record: CompressRecord, page: Page) -> list[RenderableType]:
    """Two tables (what a form answers, what it costs), how forms were made, the choice, its flips, and notes."""
    chosen = _chosen(record)
    parts: list[RenderableType] = [_answers(record), Text(""), _costs(record), Text("")]
    parts += [note(f"{row.name}: {row.recipe}") for row in record.rows]
    parts += [Text(""), Text(_choice(record))]
    changed = ", ".join(f"{label} ({count:,})" for label, count in chosen.flips_by_class if count)
    if changed:
        parts.append(
            note(f"{chosen.name} predicts a different class than float for {plural(chosen.flips, 'sample')}: {changed}")
        )
    others = engine_flips_text(chosen)
    if others:
        parts.append(note(others))
    budget = page.facts(*(f"{row.name} {_of(row)}" for row in record.budget if row.available))
    if budget:
        parts.append(note(f"{chosen.name} on {record.device}, estimated: {budget}"))
    return [*parts, note(record.split), *(note(text) for text in record.notes)]


def _answers(record: CompressRecord) -> RenderableType:
    classes = any(row.accuracy is not None for row in record.rows)
    score = "test accuracy (95 %)" if classes else "test error"
    answers = table(["form", "validation", score, "lost", "flips"], (1, 2, 3, 4))
    # Names keep their words on a narrow terminal: the intervals are the texts that wrap.
    answers.columns[0].min_width = _name_width(record)
    answers.columns[2].no_wrap = answers.columns[3].no_wrap = False
    for row in record.rows:
        add(
            answers, _Name(row, record.chosen),
            f"{row.validation.value:.4f}" if row.validation is not None else number(row.validation_error),
            interval_text(row.accuracy) if row.accuracy is not None else number(row.error),
            "-" if row is record.rows[0] else _lost(row, classes),
            f"{row.flips:,}" if row.accuracy is not None else "-",
        )  # fmt: skip
    return answers


def _lost(row: CompressRow, classes: bool) -> str:
    """'+0.42 points (-0.10 to +0.94), p 0.25'."""
    digits, unit = (2, " points") if classes else (1, " %")
    text, interval = f"{100 * row.drop:+.{digits}f}{unit}", row.drop_interval
    if interval is not None:
        text += f" ({100 * interval.low:+.{digits}f} to {100 * interval.high:+.{digits}f})"
    return text if row.p is None else f"{text}, p {row.p:.2g}"


def _costs(record: CompressRecord) -> RenderableType:
    heads = ["form", "weights", "file", "zlib", ".tflite", "MACs", "p50 here", "p99 here"]
    costs = table(heads, (1, 2, 3, 4, 5, 6, 7))
    costs.columns[0].min_width = _name_width(record)
    for row in record.rows:
        add(
            costs, _Name(row, record.chosen), bytes_text(row.weight_bytes), bytes_text(row.file_bytes),
            bytes_text(row.compressed_bytes), "-" if row.tflite_bytes is None else bytes_text(row.tflite_bytes),
            f"{row.macs:,}", microseconds_text(row.latency_p50_us), microseconds_text(row.latency_p99_us),
        )  # fmt: skip
    return costs


def _name_width(record: CompressRecord) -> int:
    """Return the width of the longest word of a form's name."""
    return max(_Name(row, record.chosen).min_width for row in record.rows)


class _Name:
    """The name of a form, whole, on several lines where it must, each ending at a dash of the name.

    `*` stands before those on the Pareto front; the chosen one is bold.
    """

    def __init__(self, row: CompressRow, chosen: str) -> None:
        self.parts = [f"{part}-" for part in row.name.split("-")]
        self.parts[-1] = self.parts[-1][:-1]
        # 'structured-50' is one word.
        for i in range(len(self.parts) - 1, 0, -1):
            if self.parts[i].rstrip("-").replace(".", "").isdigit():
                self.parts[i - 1 : i + 1] = ["".join(self.parts[i - 1 : i + 1])]
        self.mark = "*" if row.front else " "
        self.style = "bold" if row.name == chosen else ""

    @property
    def min_width(self) -> int:
        """Width of the longest word, with its mark."""
        return 1 + max(map(len, self.parts))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self.min_width, 1 + sum(map(len, self.parts)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        lines = [self.mark]
        for part in self.parts:
            if len(lines[-1]) > 1 and len(lines[-1]) + len(part) > options.max_width:
                lines.append(" ")
            lines[-1] += part
        yield Text("\n".join(lines), style=self.style, overflow="fold")


def _choice(record: CompressRecord) -> str:
    row = _chosen(record)
    first = record.rows[0]
    limit = f"{100 * record.max_drop:g} %"
    if record.refused:
        return f"no package: {record.refused}"
    kept = any(word.startswith("--keep") for word in record.options)
    why = "as set by --keep" if kept else f"the smallest file that loses at most {limit} on the validation samples"
    smaller = first.weight_bytes / max(row.weight_bytes, 1)
    saved = "" if row.file_bytes < first.file_bytes else ", but the file is no smaller than the float one"
    return f"chosen: {row.name}, {why}; weights {smaller:.1f}x smaller{saved}"


def _of(row: BudgetRow) -> str:
    """'12 kB of 1 MB'."""
    return f"{amount(row.used, row.unit)} of {amount(row.available, row.unit)}"


def _chosen(record: CompressRecord) -> CompressRow:
    return next(row for row in record.rows if row.name == record.chosen)
