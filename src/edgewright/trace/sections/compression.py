"""Compression: the forms of the model side by side, each figure marked as measured or estimated."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UnsetType

from edgewright.core.formatting import (
    bytes_text,
    estimated_latency,
    fraction,
    microseconds_text,
    number,
    percent,
    plural,
    points,
    speed_text,
)
from edgewright.schema.trace import CompressionRecord, Interval, VariantRecord
from edgewright.trace.blocks.view_blocks import Cell, Row, Table, ViewBlock, line, row
from edgewright.trace.sections import Section
from edgewright.trace.sentences.facts import compression_notes, engine_flips_text, interval_text
from edgewright.trace.sentences.readiness import FRAGILE


def compression_blocks(record: CompressionRecord | None) -> Sequence[ViewBlock]:
    """Build forms, ratios, the limit, latency, the whole program, flips, notes and disturbances."""
    if record is None or not record.variants:
        return ()
    classes = any(form.accuracy is not None for form in record.variants)
    blocks: list[ViewBlock] = [_forms(record, classes)]
    ratios = _int8_against_float(record)
    blocks += [line(ratios)] if ratios else []
    if len(record.variants) > 1:
        blocks.append(line(_limit(record, classes), "" if record.within else "bad", "compression-limit"))
    blocks.append(_latency(record))
    program = [_program(form) for form in record.variants if form.device_flash and form.device_ram]
    if program:
        heads = ("form", "#flash", "#RAM")
        blocks.append(Table(f"Whole program on {record.device or 'the device'}", heads, program, "estimated"))
    for form in record.variants:
        blocks += [line(text, "quiet") for text in (_flips(form), engine_flips_text(form)) if text]
    blocks += [line(text, "quiet") for text in compression_notes(record)]
    if record.robustness:
        disturbed = [
            row(
                disturbance.disturbance,
                fraction(disturbance.accuracy),
                Cell(f"{100 * disturbance.change:+.1f} points", "bad" if disturbance.change < -FRAGILE else ""),
            )
            for disturbance in record.robustness
        ]
        heads = ("plausible change", "#accuracy", "#difference")
        blocks.append(
            Table(f"{record.variants[-1].name} under plausible errors of sensors", heads, disturbed, "measured")
        )
    return blocks


def _forms(record: CompressionRecord, classes: bool) -> Table:
    largest = max(form.weight_bytes for form in record.variants) or 1
    has_centres = not isinstance(record.variants[0].f1, UnsetType)
    measure = "F1 of centres (95 %)" if has_centres else "accuracy (95 %)" if classes else "error"
    heads = ("form", f"#{measure}", "#flips", "#weights", "#file", "how")
    return Table("Forms of the model", heads, [
        row(
            form.name,
            _score(form),
            f"{form.flips:,}" if classes else "-",
            Cell(bytes_text(form.weight_bytes), meter=form.weight_bytes / largest) if form.weight_bytes else "-",
            bytes_text(form.file_bytes),
            Cell(form.how, form.how),
            anchor=f"compression-{form.name}",
        )
        for form in record.variants
    ])  # fmt: skip


def _score(form: VariantRecord) -> str:
    """Return F1, accuracy or error of a form."""
    if not isinstance(form.f1, UnsetType):
        return interval_text(form.f1)
    return interval_text(form.accuracy) if form.error is None else number(form.error)


def _latency(record: CompressionRecord) -> Table:
    """List the time for one sample: measured on this machine, estimated for the device."""
    estimated = any(form.device_us is not None for form in record.variants)
    heads = ("form", "#p50 here", "#p99 here", "engine", *([f"#on {record.device}"] if estimated else []))
    rows: list[Row] = []
    for form in record.variants:
        cells = [form.name, microseconds_text(form.latency_p50_us), microseconds_text(form.latency_p99_us), form.engine]
        rows.append(row(*cells, *([_spread(form.device_us)] if estimated else [])))
    measured = Cell("measured", "measured")
    rows.append(row("how", measured, measured, "", *[Cell("estimated", "estimated")] * estimated, kind="marks"))
    return Table("Time for one sample", heads, rows, anchor="compression-latency")


def _spread(latency: Interval | None) -> str:
    """Return a latency with its error bar: '12 µs (10 µs to 15 µs)'."""
    if latency is None:
        return "-"
    text, span = estimated_latency(latency.value, latency.low, latency.high)
    return f"{text} ({span})" if span else text


def _program(form: VariantRecord) -> Row:
    sizes = [size for size in (form.device_flash, form.device_ram) if size is not None]
    return row(form.name, *(interval_text(size, bytes_text) for size in sizes))


def _int8_against_float(record: CompressionRecord) -> str:
    """Return what int8 saves against float, in one line; empty where one of them is missing."""
    whole, small = record.form("float"), record.form("int8")
    if whole is None or small is None:
        return ""
    gains = [
        f"{name} {before / after:.1f}x smaller"
        for name, before, after in (
            ("weights", whole.weight_bytes, small.weight_bytes), ("file", whole.file_bytes, small.file_bytes),
        )
        if after > 0
    ]  # fmt: skip
    if whole.latency_p50_us and small.latency_p50_us:
        gains.append(speed_text(whole.latency_p50_us, small.latency_p50_us))
    return f"int8 against float: {', '.join(gains)}" if gains else ""


def _limit(record: CompressionRecord, classes: bool) -> str:
    """Return whether the drop stays within the limit: 'accuracy lost: 0.2 points, within the limit of 2 points'."""
    if classes:
        word, size, limit = "accuracy lost", points(record.drop), points(record.max_drop)
        word = word if record.drop >= 0 else "accuracy gained"
    else:
        word = "error added" if record.drop >= 0 else "error reduced"
        size, limit = percent(abs(record.drop), 1), percent(record.max_drop, 1)
    return f"{word}: {size}, {'within' if record.within else 'ABOVE'} the limit of {limit}"


def _flips(form: VariantRecord) -> str:
    """Return which classes the form changes; empty where it changes none."""
    changed = ", ".join(f"{label} ({count:,})" for label, count in form.flips_by_class if count)
    if not changed:
        return ""
    return f"{form.name} predicts a different class than float for {plural(form.flips, 'sample')}: {changed}"


SECTION = Section(
    70,
    "Compression",
    lambda trace: compression_blocks(trace.compression),
    missing="The model was not compressed in this run.",
)
