"""Mode 'steps': one stage at a time, in the order in which the data flow."""

from __future__ import annotations

from edgewright.core.formatting import percent
from edgewright.schema.lesson import Block, Heading, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.lesson_parts import epoch_grid, prediction_blocks, prediction_title, stage_blocks
from edgewright.trace.modes import Mode
from edgewright.trace.observations import notable
from edgewright.trace.opening import receiver
from edgewright.trace.readiness import left_out_text
from edgewright.trace.sections.prediction import answer_text

_FEW = 8


def tell(trace: Trace) -> tuple[Block, ...]:
    """Return a heading a stage, what it does under it; after training the epochs, at the end one prediction."""
    blocks: list[Block] = []
    for index, stage in enumerate(trace.stages, 1):
        blocks.append(Heading(text=f"Stage {index} of {len(trace.stages)}: {stage.name}", anchor=f"data_flow-{index}"))
        blocks += stage_blocks(stage)
        if stage.kind == "model":
            blocks += _training(trace)
        if stage.kind == "predict" and trace.predictions:
            blocks.append(
                Paragraph(text=f"{prediction_title(trace.predictions[0])}: {answer_text(trace.predictions[0])}.")
            )
    if trace.predictions:
        first = trace.predictions[0]
        blocks += [Heading(text=f"Inside the {receiver(first)}: {prediction_title(first)}", anchor="prediction")]
        blocks += prediction_blocks(first)
    return tuple(blocks) or (Paragraph(text="This trace has no stages."),)


def _training(trace: Trace) -> list[Block]:
    if trace.training is None or not trace.training.epochs:
        return []
    epochs = notable(trace.training.epochs)
    few = epochs if len(epochs) <= _FEW else (*epochs[: _FEW - 1], epochs[-1])
    blocks: list[Block] = [epoch_grid(few)]
    found = trace.evaluation
    if found is not None and found.left_out is not None:
        blocks.append(Paragraph(text=f"{left_out_text(found.left_out)}.", how="measured"))
    elif found is not None and found.accuracy is not None:
        blocks.append(
            Paragraph(
                text=f"On {found.samples:,} test samples {percent(found.accuracy.value, 1)} are right.", how="measured"
            )
        )
    return blocks


MODE = Mode(rank=30, title="Step through", purpose="Stage by stage, as the data flow.", tell=tell)
