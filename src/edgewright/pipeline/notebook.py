"""What a notebook shows of a pipeline, a run and a prediction; plain text where the extra for pages is absent."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.schema.explained import Explained
from edgewright.schema.lesson import Block, Facts, Grid, Heading, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.lesson_parts import prediction_blocks
from edgewright.trace.modes.summary import tell
from edgewright.trace.words import shape_text

if TYPE_CHECKING:
    from edgewright.pipeline.pipeline import Pipeline


def pipeline_html(pipeline: Pipeline) -> str | None:
    """Stages with the shape that arrives and the one that goes on."""
    shapes = [*pipeline.shapes, ()]
    rows = []
    for place, (name, step) in enumerate(pipeline.steps):
        known = place < len(pipeline.shapes)
        after = shapes[place + 1] if place + 1 < len(shapes) else ()
        rows.append((name, type(step).__name__, _one(shapes[place]) if known else "-", _one(after) if after else "-"))
    title = "pipeline" if pipeline.config is None else pipeline.config.name
    layers = _layers(pipeline.steps[-1][1])
    grid = Grid(
        headers=("stage", "class", "one sample in", "out"),
        rows=tuple(rows),
        caption="" if pipeline.shapes else "shapes are known once it was read from a TOML file or a run",
    )
    return _html((Heading(text=title), grid, *layers))


def run_html(folder: Path, trace: Trace, refused: str) -> str | None:
    """Key insight, verdict, the figures of the summary, and where the page lies."""
    page = folder / "trace.html"
    blocks: list[Block] = [Heading(text=trace.name), *tell(trace)]
    if refused:
        blocks.append(Paragraph(text=f"No package: {refused}"))
    link = (page.as_posix(), "the page of this run") if page.is_file() else None
    blocks.append(Paragraph(text=f"Run folder {folder}"))
    return _html(tuple(blocks), link=link)


def explained_html(record: Explained) -> str | None:
    """The answer, its way through the network, and what lies outside the declared ranges."""
    return _html((Heading(text=f"{record.run}: {record.place}"), *explained_blocks(record)))


def explained_blocks(record: Explained) -> tuple[Block, ...]:
    """A prediction that was asked for, as blocks."""
    warned = tuple(Paragraph(text=f"Outside the declared range: {text}") for text in record.outside)
    return (*prediction_blocks(record.prediction), *warned, *(Paragraph(text=text) for text in record.notes))


def _one(shape: tuple[int, ...]) -> str:
    return shape_text(shape)


def _layers(model: Any) -> tuple[Block, ...]:  # noqa: ANN401 - any estimator
    """Parameters of a fitted network."""
    ask: Callable[[], Any] | None = getattr(model, "layer_records", None)
    if ask is None or not hasattr(model, "shape_"):
        return ()
    records = ask()
    rows = tuple((one.name, f"{shape_text(one.shape_out)}, {one.parameters:,} parameters") for one in records)
    return (Facts(rows=rows),)


def _html(blocks: tuple[Block, ...], *, link: tuple[str, str] | None = None) -> str | None:
    """A cell; None, for which a notebook shows plain text, where Jinja2 is absent."""
    try:
        room = importlib.import_module("edgewright.trace.blocks_html")
    except ModuleNotFoundError:
        return None
    made: str = room.notebook_html(blocks, link=link)
    return made
