"""One sentence an epoch, computed from the record by rules, and which epochs deserve a row of their own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgewright.schema.trace import EpochRecord
from edgewright.trace.observation_rules import RULES, Remark, best_of

FOLD_ABOVE = 50


def remark(previous: Sequence[EpochRecord], epoch: EpochRecord, classes: int = 0) -> Remark:
    """The first rule that has something to say about `epoch` after `previous`."""
    for rule in RULES:
        found = rule(previous, epoch, classes)
        if found is not None:
            return found
    return Remark(f"epoch {epoch.epoch}")


def observe_next(previous: Sequence[EpochRecord], epoch: EpochRecord, classes: int = 0) -> EpochRecord:
    """`epoch` with its sentence, for printing while training runs.

    Args:
        previous: the epochs before it, in order.
        epoch: the one that has just ended.
        classes: number of classes, to compare the first epoch with guessing; 0 leaves the comparison out.
    """
    return msgspec.structs.replace(epoch, observation=remark(previous, epoch, classes).sentence)


def observe(epochs: Sequence[EpochRecord], classes: int = 0) -> tuple[EpochRecord, ...]:
    """All epochs with their sentences: the same as `observe_next` gave one by one."""
    return tuple(observe_next(epochs[:i], epoch, classes) for i, epoch in enumerate(epochs))


def is_event(previous: Sequence[EpochRecord], epoch: EpochRecord, classes: int = 0) -> bool:
    """Whether something happens in this epoch: a milestone passed, overfitting begun, a jump of the loss."""
    return remark(previous, epoch, classes).event


def notable(epochs: Sequence[EpochRecord], limit: int = 20) -> tuple[EpochRecord, ...]:
    """The epochs shown where the rest is folded: the first, the last, the best, and those with an event.

    Up to `FOLD_ABOVE` epochs are all shown. Where there are more events than places, later ones make way:
    the beginning of a training run is where most happens for the first time.
    """
    if len(epochs) <= FOLD_ABOVE:
        return tuple(epochs)
    kept = {epochs[0].epoch, epochs[-1].epoch, best_of(epochs).epoch}
    for i, epoch in enumerate(epochs):
        if len(kept) >= limit:
            break
        if is_event(epochs[:i], epoch):
            kept.add(epoch.epoch)
    return tuple(e for e in epochs if e.epoch in kept)
