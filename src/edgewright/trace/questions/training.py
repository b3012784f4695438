"""Questions on training: which epoch was kept, and since when it overfits."""

from __future__ import annotations

from edgewright.core.formatting import fraction, percent
from edgewright.schema.trace import Trace
from edgewright.trace.questions import Draft, rule
from edgewright.trace.sentences.observations import overfitting as overfits


@rule("kept_epoch")
def kept_epoch(trace: Trace) -> Draft | None:
    """Ask where validation samples decided, after four epochs or more."""
    training = trace.training
    if training is None or len(training.epochs) < 4:
        return None
    losses = {e.epoch: e.validation_loss for e in training.epochs if e.validation_loss is not None}
    best = training.best_epoch
    if len(losses) < 4 or best not in losses or losses[best] != min(losses.values()):
        return None
    reasons = {training.epochs[-1].epoch: "It was the last one trained"}
    lowest = min(training.epochs, key=lambda e: e.loss)
    reasons.setdefault(lowest.epoch, f"Its training loss is the lowest ({fraction(lowest.loss)})")
    known = [e for e in training.epochs if e.validation_accuracy is not None]
    if known:
        top = max(known, key=lambda e: e.validation_accuracy or 0.0)
        reasons.setdefault(top.epoch, f"Its validation accuracy is the highest ({fraction(top.validation_accuracy)})")
    near = sorted(losses, key=lambda e: (abs(e - best), e))
    for epoch in [*near[1:3], training.epochs[0].epoch, *near]:
        reasons.setdefault(epoch, "It is another epoch")
    loss = fraction(losses[best], 4)
    wrong: list[str] = []
    for epoch, reason in reasons.items():
        if epoch != best:
            there = f"{fraction(losses[epoch], 4)} there, {loss} in epoch {best}" if epoch in losses else "it has none"
            wrong += [f"Epoch {epoch}", f"{reason}, but the validation loss decides: {there}."]
    return Draft(
        30, f"{len(training.epochs)} epochs were trained. The weights of which one were kept?", f"Epoch {best}",
        f"Its validation loss, {loss}, is the lowest of all epochs.", wrong,
        f"Training trace, epoch {best}: validation loss {loss}", "training",
    )  # fmt: skip


@rule("overfitting")
def overfitting(trace: Trace) -> Draft | None:
    """Ask since when training overfits, where the rule of the observations says so in some epoch."""
    epochs = trace.training.epochs if trace.training is not None else ()
    end = next((i for i, epoch in enumerate(epochs) if overfits(epochs[:i], epoch, 0) is not None), None)
    if end is None:
        return None
    start = min((e for e in epochs[:end] if e.validation_loss is not None), key=lambda e: e.validation_loss or 0.0)
    shown = epochs[end]
    rise = percent((shown.validation_loss or 0.0) / max(start.validation_loss or 0.0, 1e-9) - 1)
    return Draft(
        31,
        "Since when does this training overfit, and how can you see it?",
        f"Since epoch {start.epoch}: from there validation loss rises while training loss keeps falling",
        f"From epoch {start.epoch} to {shown.epoch} validation loss goes from {fraction(start.validation_loss)} to "
        f"{fraction(shown.validation_loss)}, training loss from {fraction(start.loss)} to {fraction(shown.loss)}.",
        (
            f"Since epoch {epochs[-1].epoch}: it shows only after the last epoch",
            f"It shows as soon as validation loss stays above its best: by epoch {shown.epoch} it is {rise} above it.",
            "It does not: training loss falls to the end",
            "Falling training loss says nothing about other data; validation loss rises meanwhile.",
            "Since epoch 1: training loss is never zero",
            "A loss above zero is not overfitting; memorizing would bring it towards zero.",
        ),
        f"Training trace, epoch {start.epoch}: validation loss {fraction(start.validation_loss)}",
        "training",
    )
