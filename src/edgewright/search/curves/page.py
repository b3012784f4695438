"""HTML page of learning curves: charts with the prediction, tables, and the verdict."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from edgewright.pipeline.run_folder.folder import new_run_folder
from edgewright.schema.advice import CurveRecord, Curves
from edgewright.schema.lesson import Block, Grid, Heading, Paragraph
from edgewright.schema.trace_flow import encode_record
from edgewright.search.curves.measure import figure, law_words, single_words
from edgewright.search.curves.noise import LEVEL
from edgewright.trace.blocks.charts import figure_html
from edgewright.trace.blocks.view_blocks import Chart, Curve
from edgewright.trace.html import blocks_html, sections_page

_PER_CENT = f"{100 * LEVEL:.0f} %"


def curve_blocks(record: Curves, later: Curves | None = None) -> tuple[Block, ...]:
    """Return both curves as tables, what they say, and what became of an earlier prediction, for a terminal."""
    blocks: list[Block] = [
        Heading(text=f"{record.name}: {record.model}"),
        Paragraph(text=f"{record.error}; parts keep each {record.unit} whole"),
    ]
    blocks += _table(record.data, "samples", record)
    blocks += _table(record.parameters, "parameters", record) if record.parameters is not None else ()
    blocks.append(Paragraph(text=record.verdict))
    if later is not None:
        blocks.append(Paragraph(text=f"earlier record for {later.data.at:,.0f} samples: {later.verdict}"))
    return tuple(blocks)


def stored(out: Path, record: Curves, later: Curves | None) -> Path:
    """Write the record and its page into a new folder; a number is added to its name where it is taken."""
    with new_run_folder(out.parent, out.name) as location:
        (location.work / "curve.json").write_bytes(encode_record(record))
        (location.work / "curve.html").write_text(curves_page(record, later), encoding="utf-8")
    return location.final


def curves_page(record: Curves, later: Curves | None = None) -> str:
    """Return the HTML page of a record; `later` is an earlier record whose prediction is compared with this one."""
    shown = [("data", "More data", _section(record.data, "samples", record))]
    if record.parameters is not None:
        shown.append(("parameters", "A larger model", _section(record.parameters, "parameters", record)))
    if later is not None:
        markup = blocks_html((Paragraph(text=later.verdict),), level=3)
        shown.append(("earlier", "Earlier prediction", markup + _section(later.data, "samples", later)))
    sentence = record.verdict[:1].upper() + record.verdict[1:]
    return sections_page(f"Learning curves of {record.name}: {record.model}", sentence, shown)


def chart_of(record: CurveRecord, quantity: str, error: str, share: bool) -> Chart:
    """Return the chart of error against size, with the prediction interval after the last point."""
    last = record.points[-1]
    interval = record.predicted
    measured = tuple((point.size, point.mean) for point in record.points)
    curves = [Curve("measured", measured if record.measured is None else (*measured, (record.at, record.measured)))]
    for name, value in (
        ("predicted", interval.value),
        (f"low, {_PER_CENT}", interval.low),
        (f"high, {_PER_CENT}", interval.high),
    ):
        curves.append(Curve(name, ((last.size, last.mean), (record.at, value))))
    label = (
        f"{error} against {quantity}: {figure(measured[0][1], share)} at {measured[0][0]:,.0f}, "
        f"{figure(last.mean, share)} at {last.size:,.0f}, predicted "
        f"{figure(interval.value, share)} at {record.at:,.0f}."
    )
    return Chart(
        title=error,
        x_title=quantity,
        curves=tuple(curves),
        label=label,
        logarithmic="x",
        dots=True,
        unit="share" if share else "",
    )


def _section(record: CurveRecord, quantity: str, curves: Curves) -> Markup:
    chart = chart_of(record, quantity, curves.error, curves.share)
    return figure_html(chart, f"{curves.error} against {quantity} (logarithmic axis)") + blocks_html(
        _table(record, quantity, curves), level=3
    )


def _table(record: CurveRecord, quantity: str, curves: Curves) -> tuple[Block, ...]:
    rows = [
        (f"{point.size:,.0f}", figure(point.mean, curves.share), str(len(point.errors)), "measured")
        for point in record.points
    ]
    interval = record.predicted
    span = f"predicted, {_PER_CENT}: {figure(interval.low, curves.share)} to {figure(interval.high, curves.share)}"
    rows.append((f"{record.at:,.0f}", figure(interval.value, curves.share), "", span))
    if record.measured is not None:
        inside = "inside the interval" if record.inside else "outside the interval"
        rows.append((f"{record.at:,.0f}", figure(record.measured, curves.share), "", f"measured afterwards, {inside}"))
    message = "; ".join(filter(None, (law_words(record, quantity, curves.share), single_words(record, curves.share))))
    law = f"{message[:1].upper()}{message[1:]}."
    if record.unanswerable:
        law = f"No prediction: {record.unanswerable}. {law}"
    return (
        Grid(headers=(quantity, curves.error, "repeats", ""), rows=tuple(rows), figures=(0, 1, 2)),
        Paragraph(text=law),
    )
