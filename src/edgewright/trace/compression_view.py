"""Compression: the forms of the model side by side, and how the small one stands disturbed samples."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from edgewright.schema.trace import CompressionRecord, VariantRecord
from edgewright.trace.evaluation_view import interval_text
from edgewright.trace.page import BAD, GOOD, QUIET, Page, add, note, table
from edgewright.trace.words import bytes_text, fraction, microseconds_text, number, percent, plural, points

BAD_CHANGE = -0.05


def compression_parts(record: CompressionRecord, page: Page) -> list[RenderableType]:
    """The table of variants, the ratios, the limit, the flips by class and the disturbances."""
    parts: list[RenderableType] = [_variants(record)]
    ratios = _ratios(record)
    if ratios:
        parts.append(Text(ratios))
    parts.append(_limit(record))
    parts += [Text(""), _latency(record), Text("")]
    for variant in record.variants:
        if variant.flips_by_class:
            by_class = ", ".join(f"{label} ({count:,})" for label, count in variant.flips_by_class if count)
            if by_class:
                many = plural(variant.flips, "sample")
                parts.append(note(f"{variant.name} gives another class than float for {many}: {by_class}"))
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
            bytes_text(v.weight_bytes),
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
        add(made, Text(v.name, style="bold"), *cells)
    add(made, "", "measured", "measured", "", *(["estimated"] if estimated else []), style=QUIET)
    return made


def _ratios(record: CompressionRecord) -> str:
    """What the last form saves against float, in one line."""
    whole = next((v for v in record.variants if v.name == "float"), None)
    small = next((v for v in record.variants if v.name == "int8"), None)
    if whole is None or small is None:
        return ""
    said = []
    if small.weight_bytes > 0:
        said.append(f"weights {whole.weight_bytes / small.weight_bytes:.1f}x smaller")
    if small.file_bytes > 0:
        said.append(f"file {whole.file_bytes / small.file_bytes:.1f}x smaller")
    if whole.latency_p50_us and small.latency_p50_us:
        said.append(_speed(whole, small))
    return f"int8 against float: {', '.join(said)}" if said else ""


def _speed(whole: VariantRecord, small: VariantRecord) -> str:
    ratio = (whole.latency_p50_us or 1.0) / (small.latency_p50_us or 1.0)
    return f"{ratio:.1f}x faster" if ratio >= 1 else f"{1 / ratio:.1f}x slower"


def _limit(record: CompressionRecord) -> Text:
    """Whether the drop stays within the limit."""
    classified = any(v.accuracy is not None for v in record.variants)
    size = points(abs(record.drop)) if classified else percent(abs(record.drop), 1)
    word = (
        ("accuracy lost" if record.drop >= 0 else "accuracy gained")
        if classified
        else ("error added" if record.drop >= 0 else "error taken off")
    )
    limit = points(record.max_drop) if classified else percent(record.max_drop, 1)
    verdict = ("within the limit of ", GOOD) if record.within else ("ABOVE the limit of ", BAD)
    return Text.assemble(f"{word}: {size}, ", verdict, limit)


def _robustness(record: CompressionRecord) -> RenderableType:
    made = table(["int8 with disturbed samples", "accuracy", "change"], (1, 2))
    for row in record.robustness:
        change = Text(f"{100 * row.change:+.1f} points", style=BAD if row.change <= BAD_CHANGE else "")
        add(made, row.disturbance, fraction(row.accuracy), change)
    return made
