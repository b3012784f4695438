"""In which epoch overfitting began, and what shows it."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import EpochRecord, Trace
from edgewright.trace.anchors import TRAINING
from edgewright.trace.observation_rules import overfitting
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import fraction, percent


def ask(trace: Trace) -> Question | None:
    """Asked where the rule of the observations says so in some epoch."""
    epochs = trace.training.epochs if trace.training is not None else ()
    end = next((i for i, epoch in enumerate(epochs) if overfitting(epochs[:i], epoch, 0) is not None), None)
    if end is None:
        return None
    finite = [e for e in epochs[:end] if e.validation_loss is not None]
    start = min(finite, key=lambda e: e.validation_loss or 0.0)
    shown = epochs[end]
    return question(
        trace,
        Ask(
            name="overfitting",
            text="Since when does this training overfit, and how can that be seen?",
            right=(
                f"Since epoch {start.epoch}: from there validation loss rises while training loss goes on falling",
                f"From epoch {start.epoch} to {shown.epoch} validation loss goes from "
                f"{fraction(start.validation_loss)} to {fraction(shown.validation_loss)}, "
                f"training loss from {fraction(start.loss)} to {fraction(shown.loss)}.",
            ),
            wrong=_wrong(start, shown, epochs[-1]),
            rests_on=f"Training trace, epoch {start.epoch}: validation loss {fraction(start.validation_loss)}",
            anchor=TRAINING,
        ),
    )


def _wrong(start: EpochRecord, shown: EpochRecord, last: EpochRecord) -> tuple[tuple[str, str], ...]:
    rise = percent((shown.validation_loss or 0.0) / max(start.validation_loss or 0.0, 1e-9) - 1)
    return (
        (
            f"Since epoch {last.epoch}: only after the last epoch can it be told",
            f"It shows as soon as validation loss stays above its best: by epoch {shown.epoch} it is {rise} above it.",
        ),
        (
            "It does not: training loss falls to the end",
            "Falling training loss says nothing about other data; validation loss rises meanwhile.",
        ),
        (
            "Since epoch 1: training loss is never zero",
            "A loss above zero is no overfitting; learning by heart would bring it towards zero.",
        ),
    )


RULE = Rule(rank=31, ask=ask)
