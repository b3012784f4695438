"""One sentence an epoch, computed by rules from the epochs before it, so that live and stored agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from edgewright.core.formatting import fraction, percent, points, share_word
from edgewright.core.records.trace import EpochRecord

FOLD_ABOVE = 50
FLAT_EPOCHS, FLAT_RANGE = 4, 0.01
OVERFIT_EPOCHS, OVERFIT_RISE = 3, 0.03
WORSE_EPOCHS = 8
LOOK_BACK = 5
MILESTONES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
SHARES = ((0.1, "a tenth of"), (0.25, "a quarter of"), (0.5, "half"))


@dataclass(frozen=True)
class Remark:
    """A sentence, and whether it marks an event (worth a row where most rows are folded)."""

    sentence: str
    event: bool = False


Previous = Sequence[EpochRecord]
Rule = Callable[[Previous, EpochRecord, int], Remark | None]


def watched_loss(epoch: EpochRecord) -> float:
    """Return the loss that decides: on the validation samples where some were held out."""
    return epoch.loss if epoch.validation_loss is None else epoch.validation_loss


def watched_accuracy(epoch: EpochRecord) -> tuple[str, float | None]:
    """Return the accuracy that decides, with its name."""
    if epoch.validation_accuracy is not None:
        return "validation accuracy", epoch.validation_accuracy
    return "accuracy", epoch.accuracy


def best_of(epochs: Previous) -> EpochRecord:
    """Return the epoch with the smallest watched loss (the first of equals; a loss that is no number never wins)."""
    return min(epochs, key=lambda e: (not math.isfinite(watched_loss(e)), watched_loss(e)))


def diverged(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that the loss is infinite or no number."""
    if math.isfinite(epoch.loss):
        return None
    first = not previous or math.isfinite(previous[-1].loss)
    return Remark("the loss is no longer a number: training diverged, lower the learning rate", first)


def first(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark on the first epoch, against guessing."""
    if previous:
        return None
    name, accuracy = watched_accuracy(epoch)
    if accuracy is None:
        return Remark(f"first epoch: loss {fraction(epoch.loss)} to start from", True)
    if classes < 2:
        return Remark(f"first epoch: {name} {fraction(accuracy, 2)} to start from", True)
    return Remark(f"after epoch {epoch.epoch}: {percent(accuracy)} {name} (chance: {percent(1 / classes)})", True)


def _overfits(previous: Previous, epoch: EpochRecord) -> EpochRecord | None:
    """Return the best epoch when validation loss has left it upwards while training loss went on falling."""
    if len(previous) < OVERFIT_EPOCHS or epoch.validation_loss is None:
        return None
    best = best_of(previous)
    recent = [*previous[1 - OVERFIT_EPOCHS :], epoch]
    above = all(e.epoch > best.epoch and watched_loss(e) > watched_loss(best) * (1 + OVERFIT_RISE) for e in recent)
    return best if above and epoch.loss < best.loss else None


def overfitting(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that validation loss rises while training loss falls."""
    best = _overfits(previous, epoch)
    if best is None:
        return None
    again = _overfits(previous[:-1], previous[-1]) is not None
    sentence = f"validation loss rising while training loss falls: overfitting since epoch {best.epoch}"
    return Remark(sentence, not again)


def _worse(previous: Previous, epoch: EpochRecord) -> EpochRecord | None:
    """Return the best epoch when it lies long back and the watched loss has stayed above it since."""
    if epoch.validation_loss is None or len(previous) < WORSE_EPOCHS:
        return None
    best = best_of(previous)
    above = watched_loss(epoch) > watched_loss(best) * (1 + OVERFIT_RISE)
    return best if above and epoch.epoch - best.epoch >= WORSE_EPOCHS else None


def worse(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that validation loss has left its best value, while training loss does not fall below its value there."""
    best = _worse(previous, epoch)
    if best is None:
        return None
    low = watched_loss(best)
    # A best of 0 is left by no number of per cent.
    above = f"{percent(watched_loss(epoch) / low - 1)} above its best" if low > 0 else "above its best, 0,"
    again = _worse(previous[:-1], previous[-1]) is not None
    return Remark(f"validation loss {above} of epoch {best.epoch}: training could have stopped", not again)


def jumped(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that the training loss rises by a tenth or more in one epoch."""
    if not previous or not previous[-1].loss > 0 or epoch.loss < 1.1 * previous[-1].loss:
        return None
    rise = percent(epoch.loss / previous[-1].loss - 1)
    return Remark(f"loss up {rise} in one epoch: the learning rate may be too high", True)


def _flat_for(previous: Previous, epoch: EpochRecord) -> int:
    """For how many epochs the watched loss has stayed within one per cent."""
    low = high = watched_loss(epoch)
    count = 0
    for earlier in reversed(previous):
        loss = watched_loss(earlier)
        low, high = min(low, loss), max(high, loss)
        if not high - low <= FLAT_RANGE * max(abs(high), 1e-6):
            break
        count += 1
    return count


def flat(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that nothing moves any more."""
    count = _flat_for(previous, epoch)
    if count < FLAT_EPOCHS:
        return None
    name = "loss" if epoch.validation_loss is None else "validation loss"
    again = _flat_for(previous[:-1], previous[-1]) >= FLAT_EPOCHS
    return Remark(f"{name} flat for {count} epochs: training could stop here", not again)


def accuracy_milestone(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that the watched accuracy passes a round number for the first time."""
    name, accuracy = watched_accuracy(epoch)
    if accuracy is None or not previous:
        return None
    highest = max((value for _, value in map(watched_accuracy, previous) if value is not None), default=0.0)
    passed = [m for m in MILESTONES if highest < m <= accuracy]
    if not passed:
        return None
    return Remark(f"{name} passes {fraction(passed[-1], 2)} for the first time", True)


def loss_milestone(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that the training loss falls below half, a quarter, a tenth of the first epoch's."""
    if not previous:
        return None
    start, lowest = previous[0].loss, min(e.loss for e in previous)
    for share, word in SHARES:
        if epoch.loss <= share * start < lowest:
            return Remark(f"loss now {word} the first epoch's: {fraction(epoch.loss)} after {fraction(start)}", True)
    return None


def loss_down(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that the training loss fell by a quarter or more within a few epochs: since when, at the latest."""
    for earlier in reversed(previous[-LOOK_BACK:]):
        if earlier.loss > 0 and epoch.loss <= 0.75 * earlier.loss:
            since = "in one epoch" if earlier is previous[-1] else f"since epoch {earlier.epoch}"
            return Remark(f"loss down {share_word(1 - epoch.loss / earlier.loss)} {since}")
    return None


def accuracy_up(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that the watched accuracy rose by two points or more within a few epochs."""
    name, accuracy = watched_accuracy(epoch)
    for earlier in reversed(previous[-LOOK_BACK:]):
        before = watched_accuracy(earlier)[1]
        if accuracy is not None and before is not None and accuracy - before >= 0.02:
            since = "in one epoch" if earlier is previous[-1] else f"since epoch {earlier.epoch}"
            return Remark(f"{name} up {points(accuracy - before)} {since}")
    return None


def gap(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that training accuracy runs ahead of validation accuracy by ten points or more."""
    if epoch.accuracy is None or epoch.validation_accuracy is None:
        return None
    ahead = epoch.accuracy - epoch.validation_accuracy
    return (
        Remark(f"training accuracy {points(ahead)} above validation: it begins to memorise") if ahead >= 0.1 else None
    )


def best_so_far(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that this is the lowest validation loss until here."""
    if not previous or epoch.validation_loss is None or watched_loss(epoch) >= watched_loss(best_of(previous)):
        return None
    return Remark(f"best validation loss so far: {fraction(epoch.validation_loss)}")


def no_better(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Remark that the best validation loss lies some epochs back."""
    if not previous or epoch.validation_loss is None:
        return None
    best = best_of(previous)
    return Remark(f"no better validation loss than in epoch {best.epoch}: {fraction(watched_loss(best))}")


def changed(previous: Previous, epoch: EpochRecord, classes: int) -> Remark | None:
    """Return what is left to say: how the loss moved since the epoch before."""
    before = previous[-1].loss if previous else math.nan
    if not before > 0:
        return Remark(f"loss {fraction(epoch.loss)}")
    change = epoch.loss / before - 1
    if abs(change) < 0.0005:
        return Remark("loss as in the epoch before")
    return Remark(f"loss {percent(abs(change), 1)} {'lower' if change < 0 else 'higher'} than in the epoch before")


RULES: tuple[Rule, ...] = (
    diverged, first, overfitting, worse, jumped, flat, accuracy_milestone, loss_milestone, loss_down, accuracy_up, gap,
    best_so_far, no_better, changed,
)  # fmt: skip


def remark(previous: Sequence[EpochRecord], epoch: EpochRecord, classes: int = 0) -> Remark:
    """Return the first rule that has something to say about `epoch` after `previous`."""
    for rule in RULES:
        observation = rule(previous, epoch, classes)
        if observation is not None:
            return observation
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
    """Return whether something happens in this epoch: a milestone passed, overfitting begun, a jump of the loss."""
    return remark(previous, epoch, classes).event


def notable(epochs: Sequence[EpochRecord], limit: int = 20) -> tuple[EpochRecord, ...]:
    """Return the epochs shown where the rest is folded: the first, the last, the best, and those with an event.

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
