"""The table of a compression on the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from edgewright.schema.compress import CompressRecord, CompressRow
from edgewright.trace.evaluation_view import interval_text
from edgewright.trace.page import add, note, table
from edgewright.trace.words import bytes_text, microseconds_text, number, plural


def compress_parts(record: CompressRecord) -> list[RenderableType]:
    """Two tables (what a form answers, what it costs), how forms were made, the choice, its flips, and notes."""
    chosen = _chosen(record)
    parts: list[RenderableType] = [_answers(record), Text(""), _costs(record), Text("")]
    parts += [note(f"{row.name}: {row.made}") for row in record.rows]
    parts += [Text(""), Text(_choice(record))]
    changed = ", ".join(f"{label} ({count:,})" for label, count in chosen.flips_by_class if count)
    if changed:
        parts.append(
            note(f"{chosen.name} gives another class than float for {plural(chosen.flips, 'sample')}: {changed}")
        )
    return [*parts, note(record.split), *(note(text) for text in record.notes)]


def _answers(record: CompressRecord) -> RenderableType:
    classes = any(row.accuracy is not None for row in record.rows)
    score = "test accuracy (95 %)" if classes else "test error"
    made = table(["form", "validation", score, "lost", "flips"], (1, 2, 3, 4))
    for row in record.rows:
        lost = f"{100 * row.drop:+.2f} points" if classes else f"{100 * row.drop:+.1f} %"
        add(
            made,
            _name(row, record),
            f"{row.validation.value:.4f}" if row.validation is not None else number(row.validation_error),
            interval_text(row.accuracy) if row.accuracy is not None else number(row.error),
            "-" if row is record.rows[0] else lost,
            f"{row.flips:,}" if row.accuracy is not None else "-",
        )
    return made


def _costs(record: CompressRecord) -> RenderableType:
    heads = ["form", "weights", "file", "zlib", ".tflite", "MACs", "p50 here", "p99 here"]
    made = table(heads, (1, 2, 3, 4, 5, 6, 7))
    for row in record.rows:
        add(
            made,
            _name(row, record),
            bytes_text(row.weight_bytes),
            bytes_text(row.file_bytes),
            bytes_text(row.compressed_bytes),
            "-" if row.tflite_bytes is None else bytes_text(row.tflite_bytes),
            f"{row.macs:,}",
            microseconds_text(row.latency_p50_us),
            microseconds_text(row.latency_p99_us),
        )
    return made


def _name(row: CompressRow, record: CompressRecord) -> Text:
    """The name of a form, whole, on two lines where it must; `*` on the Pareto front, bold when chosen."""
    style = "bold" if row.name == record.chosen else ""
    return Text(("*" if row.front else " ") + row.name, style=style, overflow="fold")


def _choice(record: CompressRecord) -> str:
    row = _chosen(record)
    first = record.rows[0]
    limit = f"{100 * record.max_drop:g} %"
    if record.refused:
        return f"no package: {record.refused}"
    smaller = first.weight_bytes / max(row.weight_bytes, 1)
    return (
        f"chosen: {row.name}, the smallest file that loses at most {limit} on the validation samples; "
        f"weights {smaller:.1f}x smaller"
    )


def _chosen(record: CompressRecord) -> CompressRow:
    return next(row for row in record.rows if row.name == record.chosen)
