"""What a notebook shows of a pipeline, a run and a prediction; plain text where the extra for pages is absent."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgewright.core.formatting import shape_text
from edgewright.schema.lesson import Block, Facts, Grid, Heading, Paragraph
from edgewright.schema.trace import Explained, Trace
from edgewright.trace.blocks.lesson import card_blocks
from edgewright.trace.modes.summary import mode_blocks
from edgewright.trace.sections.prediction import prediction_card


def pipeline_html(title: str, steps: Sequence[tuple[str, Any]], shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Show stages with the shape that arrives and the one that goes on, where `shapes` know them."""
    texts = [shape_text(shape) if shape else "-" for shape in shapes] + ["-"] * (len(steps) + 1 - len(shapes))
    rows = tuple((name, type(step).__name__, texts[i], texts[i + 1]) for i, (name, step) in enumerate(steps))
    caption = "" if shapes else "load it from a TOML file or a run to see shapes"
    grid = Grid(headers=("stage", "class", "one sample in", "out"), rows=rows, caption=caption)
    return _html((Heading(text=title), grid, *_layers(steps[-1][1])))


def run_html(folder: Path, trace: Trace, refused: str) -> str | None:
    """Key insight, verdict, the figures of the summary, and where the page lies."""
    page = folder / "trace.html"
    blocks: list[Block] = [Heading(text=trace.name), *mode_blocks(trace)]
    if refused:
        blocks.append(Paragraph(text=f"No package: {refused}"))
    link = (page.as_posix(), "the page of this run") if page.is_file() else None
    blocks.append(Paragraph(text=f"Run folder {folder}"))
    return _html(tuple(blocks), link=link)


def explained_html(record: Explained) -> str | None:
    """Return the answer, its way through the network, and what lies outside the declared ranges."""
    return _html((Heading(text=f"{record.run}: {record.origin}"), *explained_blocks(record)))


def explained_blocks(record: Explained) -> tuple[Block, ...]:
    """Return a prediction that was asked for, as blocks."""
    warned = tuple(Paragraph(text=f"Outside the declared range: {text}") for text in record.outside)
    return (*card_blocks(prediction_card(record.prediction)), *warned, *(Paragraph(text=text) for text in record.notes))


def _layers(model: Any) -> tuple[Block, ...]:  # noqa: ANN401 - any estimator
    """Return parameters of a fitted network."""
    ask: Callable[[], Any] | None = getattr(model, "layer_records", None)
    if ask is None or not hasattr(model, "shape_"):
        return ()
    records = ask()
    rows = tuple((layer.name, f"{shape_text(layer.shape_out)}, {layer.parameters:,} parameters") for layer in records)
    return (Facts(rows=rows),)


def _html(blocks: tuple[Block, ...], *, link: tuple[str, str] | None = None) -> str | None:
    """Return a cell; None, for which a notebook shows plain text, where Jinja2 is absent."""
    try:
        room = importlib.import_module("edgewright.trace.html")
    except ModuleNotFoundError:
        return None
    html: str = room.notebook_html(blocks, link=link)
    return html
