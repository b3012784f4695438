"""The weights of which epoch were kept."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import TRAINING
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import fraction


def ask(trace: Trace) -> Question | None:
    """Asked where validation samples decided, after four epochs or more."""
    training = trace.training
    if training is None or len(training.epochs) < 4:
        return None
    found = {e.epoch: e.validation_loss for e in training.epochs if e.validation_loss is not None}
    best = training.best_epoch
    if len(found) < 4 or best not in found or found[best] != min(found.values()):
        return None
    said = {training.epochs[-1].epoch: "It was the last one trained"}
    lowest = min(training.epochs, key=lambda e: e.loss)
    said.setdefault(lowest.epoch, f"Its training loss is the lowest ({fraction(lowest.loss)})")
    known = [e for e in training.epochs if e.validation_accuracy is not None]
    if known:
        top = max(known, key=lambda e: e.validation_accuracy or 0.0)
        said.setdefault(top.epoch, f"Its validation accuracy is the highest ({fraction(top.validation_accuracy)})")
    near = sorted(found, key=lambda e: (abs(e - best), e))
    for epoch in [*near[1:3], training.epochs[0].epoch, *near]:
        said.setdefault(epoch, "It is another epoch")
    loss = fraction(found[best], 4)
    return question(
        trace,
        Ask(
            name="kept_epoch",
            text=f"{len(training.epochs)} epochs were trained. The weights of which one were kept?",
            right=(f"Epoch {best}", f"Its validation loss, {loss}, is the lowest of all epochs."),
            wrong=tuple(
                (
                    f"Epoch {epoch}",
                    f"{reason}, but what decides is the validation loss: "
                    + (f"{fraction(found[epoch], 4)} there, {loss} in epoch {best}." if epoch in found else "none."),
                )
                for epoch, reason in said.items()
                if epoch != best
            ),
            rests_on=f"Training trace, epoch {best}: validation loss {loss}",
            anchor=TRAINING,
        ),
    )


RULE = Rule(rank=30, ask=ask)
