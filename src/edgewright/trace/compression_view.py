"""Compression: the forms of the model side by side, and how the small one answers disturbed samples."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from edgewright.schema.trace import CompressionRecord
from edgewright.trace.facts import (
    FRAGILE_CHANGE,
    engine_flips_text,
    flips_text,
    int8_against_float,
    interval_text,
    limit_words,
)
from edgewright.trace.page import BAD, GOOD, QUIET, Page, add, note, table
from edgewright.trace.words import bytes_text, fraction, microseconds_text, number


def compression_parts(record: CompressionRecord, page: Page) -> list[RenderableType]:
    """The table of variants, the ratios, the limit, the flips by class and the disturbances."""
    parts: list[RenderableType] = [_variants(record)]
    ratios = int8_against_float(record)
    if ratios:
        parts.append(Text(ratios))
    if len(record.variants) > 1:
        parts.append(_limit(record))
    parts += [Text(""), _latency(record), Text("")]
    if any(v.device_flash is not None for v in record.variants):
        parts += [_program(record), Text("")]
    for variant in record.variants:
        flips = flips_text(variant)
        parts += [note(text) for text in (flips, engine_flips_text(variant)) if text]
    parts += [Text(text) for text in record.notes]
    if record.robustness:
        parts += [Text(""), _robustness(record)]
    return parts


def _variants(record: CompressionRecord) -> RenderableType:
    score = "accuracy (95 %)" if any(v.accuracy is not None for v in record.variants) else "error"
    made = table(["form", score, "flips", "weights", "file", ""], (1, 2, 3, 4))
    for v in record.variants:
        add(
            made,
            Text(v.name, style="bold"),
            interval_text(v.accuracy) if v.accuracy is not None else number(v.error) if v.error is not None else "-",
            f"{v.flips:,}" if v.accuracy is not None else "-",
            bytes_text(v.weight_bytes) if v.weight_bytes else "-",
            bytes_text(v.file_bytes),
            Text(v.how, style=QUIET),
        )
    return made


def _latency(record: CompressionRecord) -> RenderableType:
    """One sample: measured on this machine beside the estimate for the device."""
    estimated = any(v.device_us is not None for v in record.variants)
    heads = ["one sample", "here p50", "here p99", "engine", *([f"on {record.device}"] if estimated else [])]
    made = table(heads, (1, 2, 4))
    for v in record.variants:
        cells = [microseconds_text(v.latency_p50_us), microseconds_text(v.latency_p99_us), v.engine]
        if v.device_us is not None:
            low, high = microseconds_text(v.device_us.low), microseconds_text(v.device_us.high)
            cells.append(f"{microseconds_text(v.device_us.value)} ({low} to {high})")
        elif estimated:
            cells.append("-")
        add(made, Text(v.name, style="bold"), *cells)
    add(made, "", "measured", "measured", "", *["estimated"] * estimated, style=QUIET)
    return made


def _program(record: CompressionRecord) -> RenderableType:
    """Flash and RAM of the whole program that answers with each form."""
    made = table([f"program on {record.device or 'the device'}", "flash", "RAM", ""], (1, 2))
    for v in record.variants:
        if v.device_flash is not None and v.device_ram is not None:
            sizes = (bytes_text(round(s.value)) for s in (v.device_flash, v.device_ram))
            add(made, Text(v.name, style="bold"), *sizes, Text("estimated", style=QUIET))
    return made


def _limit(record: CompressionRecord) -> Text:
    """Whether the drop stays within the limit."""
    told, word, limit = limit_words(record)
    return Text.assemble(told, (word, GOOD if record.within else BAD), limit)


def _robustness(record: CompressionRecord) -> RenderableType:
    made = table([f"{record.variants[-1].name} with disturbed samples", "accuracy", "change"], (1, 2))
    for row in record.robustness:
        change = Text(f"{100 * row.change:+.1f} points", style=BAD if row.change <= FRAGILE_CHANGE else "")
        add(made, row.disturbance, fraction(row.accuracy), change)
    return made
