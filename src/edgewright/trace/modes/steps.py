"""Mode 'steps': one stage at a time, in the order in which the data flow."""

from __future__ import annotations

from edgewright.core.formatting import percent
from edgewright.schema.lesson import Block, Heading, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.blocks.view_blocks import Cards
from edgewright.trace.modes import Mode, epoch_grid, prediction_blocks, prediction_title, stage_blocks
from edgewright.trace.sections.prediction import prediction_card
from edgewright.trace.sentences.facts import answer_text
from edgewright.trace.sentences.observations import notable
from edgewright.trace.sentences.opening import receiver
from edgewright.trace.sentences.readiness import left_out_text

_FEW = 8


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
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
    evaluation = trace.evaluation
    if evaluation is not None and evaluation.left_out is not None:
        blocks.append(Paragraph(text=f"{left_out_text(evaluation.left_out)}.", how="measured"))
    elif evaluation is not None and evaluation.accuracy is not None:
        blocks.append(
            Paragraph(
                text=f"On {evaluation.samples:,} test samples {percent(evaluation.accuracy.value, 1)} are right.",
                how="measured",
            )
        )
    return blocks


def _travelling(trace: Trace) -> tuple[Cards, ...]:
    """Return one sample on its way through the model, which the page plays."""
    return tuple(Cards([prediction_card(first)]) for first in trace.predictions[:1])


MODE = Mode(30, "Step through", "Stage by stage, as the data flow.", mode_blocks, page=_travelling)
