"""Mode 'steps': one stage at a time, in the order in which the data flow."""

from __future__ import annotations

from dataclasses import replace

from edgewright.core.formatting import percent
from edgewright.schema.lesson import Block, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.blocks.lesson import lesson_blocks
from edgewright.trace.blocks.view_blocks import Cards
from edgewright.trace.modes import Mode
from edgewright.trace.sections.data_flow import stage_cards
from edgewright.trace.sections.prediction import prediction_card
from edgewright.trace.sections.training import epoch_table
from edgewright.trace.sentences.facts import answer_text
from edgewright.trace.sentences.observations import notable
from edgewright.trace.sentences.opening import receiver
from edgewright.trace.sentences.readiness import left_out_text

_FEW = 8


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return a heading a stage, what it does under it; after training the epochs, at the end one prediction."""
    blocks: list[Block] = []
    predicted = [(prediction_card(first, anchor="prediction"), first) for first in trace.predictions[:1]]
    for stage, card in zip(trace.stages, stage_cards(trace), strict=True):
        title = f"Stage {card.step} of {len(trace.stages)}: {card.title}"
        blocks += lesson_blocks([replace(card, title=title, step=0)])
        if stage.kind == "model":
            blocks += _training(trace)
        if stage.kind == "predict":
            blocks += [
                Paragraph(text=f"{shown.title} of the data: {answer_text(first)}.") for shown, first in predicted
            ]
    for shown, first in predicted:
        blocks += lesson_blocks([replace(shown, title=f"Inside the {receiver(first)}: {shown.title} of the data")])
    return tuple(blocks) or (Paragraph(text="This trace has no stages."),)


def _training(trace: Trace) -> list[Block]:
    if trace.training is None or not trace.training.epochs:
        return []
    epochs = notable(trace.training.epochs)
    few = epochs if len(epochs) <= _FEW else (*epochs[: _FEW - 1], epochs[-1])
    blocks = lesson_blocks([epoch_table("Epochs with an event", few, trace.training.best_epoch)])
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
