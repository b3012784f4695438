"""Learning curves on the terminal and as a page."""

from __future__ import annotations

from pathlib import Path

from edgewright.core.formatting import plural
from edgewright.pipeline.folder import new_run_folder
from edgewright.schema.curve import CurveRecord, Curves
from edgewright.schema.trace_flow import encode_record
from edgewright.search.curves.noise import LEVEL
from edgewright.search.curves.page import curves_page
from edgewright.search.curves.verdict import figure, law_words, single_words

_BAR = 32


def curve_lines(record: Curves, later: Curves | None = None) -> list[str]:
    """Both curves, what they say, and what became of an earlier prediction."""
    lines = [f"{record.name}: {record.model}, {record.error}; parts keep each {record.unit} whole", ""]
    lines += _table(record.data, "samples", record.share)
    if record.parameters is not None:
        lines += ["", *_table(record.parameters, "parameters", record.share)]
    lines += ["", record.verdict]
    if later is not None:
        lines += ["", f"earlier record for {later.data.at:,.0f} samples: {later.verdict}"]
    return lines


def _table(record: CurveRecord, what: str, share: bool) -> list[str]:
    maximum = max(max(point.errors) for point in record.points)
    lines = [f"  {what:>12}  {'error':<9}"]
    for point in record.points:
        bar = "#" * max(1, round(point.mean / maximum * _BAR))
        times = plural(len(point.errors), "time")
        lines.append(f"  {point.size:>12,.0f}  {figure(point.mean, share):<9} {bar:<{_BAR}}  {times}")
    interval = record.predicted
    span = (
        f"{figure(interval.low, share)} to {figure(interval.high, share)}{', too wide' if record.unanswerable else ''}"
    )
    bar = "." * max(1, round(interval.value / maximum * _BAR))
    lines.append(
        f"  {record.at:>12,.0f}  {figure(interval.value, share):<9} {bar:<{_BAR}}  predicted, {100 * LEVEL:.0f} %: "
        f"{span}"
    )
    if record.measured is not None:
        lines.append(f"  {record.at:>12,.0f}  {figure(record.measured, share):<9} measured afterwards")
    lines.append(f"  {law_words(record, 'size', share)}")
    return [*lines, f"  {said}"] if (said := single_words(record, share)) else lines


def stored(out: Path, record: Curves, later: Curves | None) -> Path:
    """Write the record and its page into a new folder; a number is added to its name where it is taken."""
    with new_run_folder(out.parent, out.name) as location:
        (location.work / "curve.json").write_bytes(encode_record(record))
        (location.work / "curve.html").write_text(curves_page(record, later), encoding="utf-8")
    return location.final
