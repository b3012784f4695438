"""Learning modes: the same record in different ways. Every file offers `MODE`; what several of them share is here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewright.core import catalogue
from edgewright.core.formatting import bytes_text, flow_text, fraction, number, plural, seconds_text, shape_text
from edgewright.schema.lesson import Block, Facts, Grid, Paragraph
from edgewright.schema.trace import EpochRecord, PredictionRecord, StageRecord, Trace
from edgewright.trace.blocks.view_blocks import ViewBlock
from edgewright.trace.sentences.facts import answer_text, layer_title, ranked
from edgewright.trace.sentences.opening import receiver


@dataclass(frozen=True)
class Mode:
    """The one object `MODE` of a mode's file; dashes in its name are underscores in the file's.

    Attributes:
        rank: place in menus.
        title: as menus show it.
        purpose: one sentence.
        blocks: record -> blocks. For 'compare' and 'what-if' these say what can be compared or changed, with the
            commands; the comparison itself needs further runs and is made by `trace/compare.py` and the pipeline.
        page: what only the page shows, above the blocks.
    """

    rank: int
    title: str
    purpose: str
    blocks: Callable[[Trace], tuple[Block, ...]]
    page: Callable[[Trace], Sequence[ViewBlock]] | None = None


def mode(name: str) -> Mode:
    """Return the mode of this name.

    Raises:
        UnknownNameError: listing the known modes.
    """
    known: Mode = catalogue.find(__name__, name.replace("-", "_"), "MODE", "learning mode", "--mode")
    return known


def modes() -> dict[str, Mode]:
    """All modes by name, in the order of menus."""
    known = {name.replace("_", "-"): mode(name) for name in catalogue.listing(__name__, "MODE")}
    return dict(sorted(known.items(), key=lambda item: item[1].rank))


COLUMNS, DROPPED = 6, 8


def stage_facts(stage: StageRecord) -> Facts:
    """Shape, fitting, what was filled and dropped, cost."""
    rows = [("shape", flow_text(stage.shape_in, stage.shape_out)), ("type", stage.dtype)]
    if stage.fitted_on:
        rows.append(("fitted on", plural(stage.fitted_on, "training sample")))
    if stage.filled:
        rows.append(("filled", plural(stage.filled, "missing value")))
    if stage.dropped:
        names = ", ".join(name for name, _ in stage.dropped[:DROPPED])
        more = f" and {len(stage.dropped) - DROPPED:,} more" if len(stage.dropped) > DROPPED else ""
        rows.append(("left out", names + more))
    if stage.seconds:
        rows.append(("time", f"{seconds_text(stage.seconds)} (measured)"))
    if stage.peak_bytes > 0:
        rows.append(("memory", f"+{bytes_text(stage.peak_bytes)} (measured)"))
    return Facts(rows=tuple((name, value) for name, value in rows if value))


def stage_blocks(stage: StageRecord) -> tuple[Block, ...]:
    """Return a stage told whole, without its heading."""
    blocks: list[Block] = [Paragraph(text=stage.why)] if stage.why else []
    blocks.append(stage_facts(stage))
    blocks += [Paragraph(text=note) for note in stage.notes]
    if stage.sample_after and stage.sample_after[0]:
        blocks.append(samples(stage))
    return tuple(blocks)


def samples(stage: StageRecord) -> Grid:
    """Return the first values of the samples that the record keeps, as they leave the stage."""
    width = min(COLUMNS, len(stage.sample_after[0]))
    rows_only = len(stage.shape_out) == 2
    heads = stage.names_after[:width] if rows_only and len(stage.names_after) >= width else [""] * width
    rows = tuple(tuple(number(value) for value in row[:width]) for row in stage.sample_after)
    more = (stage.shape_out[-1] if stage.shape_out else width) - width
    caption = "first samples after this stage" + (f"; {more:,} further values each" if more > 0 else "")
    return Grid(headers=tuple(heads), rows=rows, figures=tuple(range(width)), caption=caption)


def epoch_grid(epochs: Sequence[EpochRecord]) -> Grid:
    """Losses, accuracies and the observation of each epoch."""
    headers = ["epoch", "loss", "accuracy", "val. loss", "val. accuracy", "observation"]
    rows = tuple(
        (
            str(e.epoch),
            fraction(e.loss),
            fraction(e.accuracy),
            fraction(e.validation_loss),
            fraction(e.validation_accuracy),
            e.observation,
        )
        for e in epochs
    )
    return Grid(headers=tuple(headers), rows=rows, figures=(0, 1, 2, 3, 4))


def prediction_title(prediction: PredictionRecord) -> str:
    """'Row 18', as `edgewright trace --row` counts; windows likewise."""
    return f"{'Window' if len(prediction.raw_shape) > 1 else 'Row'} {prediction.row + 1:,} of the data"


def prediction_blocks(prediction: PredictionRecord) -> tuple[Block, ...]:
    """One prediction, layer by layer."""
    raw = prediction.raw
    named = len(prediction.raw_shape) <= 1 and len(prediction.input_names) >= len(raw)
    values = [f"{prediction.input_names[i]} {number(v)}" if named else number(v) for i, v in enumerate(raw[:COLUMNS])]
    total = shape_text(prediction.raw_shape or (len(raw),))
    rows = [("input", total, ", ".join(values) + (", ..." if len(raw) > COLUMNS else ""))]
    if prediction.features:
        size = shape_text(prediction.feature_shape or (len(prediction.features),))
        names = prediction.feature_names
        shown = [f"{names[i]} {number(v)}" if len(names) > i and named else number(v)
                 for i, v in enumerate(prediction.features[:COLUMNS])]  # fmt: skip
        rows.append(
            (
                f"to the {receiver(prediction)}",
                size,
                ", ".join(shown) + (", ..." if len(prediction.features) > COLUMNS else ""),
            )
        )
    for layer in prediction.layers:
        kind = layer_title(layer)
        if layer is prediction.layers[-1]:
            text = ", ".join(f"{label} {fraction(p)}" for label, p in ranked(prediction)[:COLUMNS])
            rows.append((kind, f"{layer.size:,}", text or number(layer.values[0] if layer.values else None)))
        else:
            largest = f", largest {number(max(layer.values))}" if layer.values else ""
            rows.append((kind, f"{layer.size:,}", f"{layer.active:,} of {layer.size:,} active{largest}"))
    end = answer_text(prediction)
    if prediction.right is not None:
        end += ": right" if prediction.right else f": wrong, it is {prediction.truth}"
    elif prediction.truth:
        end += f" (truth {prediction.truth})"
    rows.append(("answer", "", end))
    return (Grid(headers=("step", "values", ""), rows=tuple(rows), figures=(1,)),)


def parameters(trace: Trace) -> int:
    """Of all layers."""
    return sum(layer.parameters for layer in trace.layers)


def config_table(trace: Trace, key: str) -> dict[str, object]:
    """Return a table of the configuration; empty in records of version 1."""
    table = trace.config.get(key)
    return table if isinstance(table, dict) else {}
