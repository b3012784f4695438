"""What growth costs: every architecture at every data size, and the fitted exponents."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from edgewright.schema.trace import ScalingPoint, ScalingRecord
from edgewright.trace.page import Page, add, note, table
from edgewright.trace.scaling_words import break_even_text, exponent_text, law_rows
from edgewright.trace.words import bytes_text, fraction, measure_word, microseconds_text, seconds_text


def scaling_parts(record: ScalingRecord, page: Page) -> list[RenderableType]:
    """The points by architecture and data size, the exponents, and where the large architecture pays."""
    heads = ["architecture", "rows", "parameters", "time", "CPU", "memory", "accuracy", "latency"]
    made = table(heads, range(1, len(heads)))
    before = ""
    for point in sorted(record.points, key=lambda p: (p.parameters, p.architecture, p.rows)):
        add(
            made,
            point.architecture if point.architecture != before else "",
            f"{point.rows:,}",
            f"{point.parameters:,}",
            seconds_text(point.seconds),
            seconds_text(point.cpu_seconds),
            bytes_text(point.peak_bytes),
            fraction(point.accuracy),
            microseconds_text(point.latency_us),
        )
        before = point.architecture
    parts: list[RenderableType] = [made]
    for name, exponents in sorted(record.exponents.items()):
        grown = page.facts(
            *(f"{measure_word(measure)} ~ rows^{exponent_text(record, name, measure)}" for measure in sorted(exponents))
        )
        parts.append(note(f"{name}: {grown}"))
    for name, power, floor, told in law_rows(record):
        facts = page.facts(f"error ~ rows^-{power}", f"floor {floor}", f"predicted {told} rows")
        parts.append(note(f"{name}: {facts}"))
    if crossing := break_even_text(record.break_even):
        parts.append(note(crossing))
    if record.sentence:
        parts.append(Text(record.sentence))
    elif record.pays_from is not None:
        parts.append(Text(f"the larger architecture pays from {record.pays_from:,} rows"))
    return parts


def point_line(point: ScalingPoint, done: int, total: int, page: Page) -> str:
    """One training as it ends, in a line."""
    return page.facts(
        f"{done} of {total}",
        f"{point.architecture} with {point.rows:,} rows",
        f"accuracy {fraction(point.accuracy)}",
        seconds_text(point.seconds),
    )
