"""Which trials nothing beats, and when one is stopped."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.search.architecture.trial import FoldError, Tried

RULE = (
    "after the first fold a trial is stopped when a finished one takes no more flash, RAM and time, and was better on "
    "that fold by more than a standard error"
)


def combined(folds: Sequence[FoldError], task: str) -> float:
    """The error over folds: share of wrong classes, or root mean squared error."""
    mean = sum(fold.mean * fold.samples for fold in folds) / sum(fold.samples for fold in folds)
    return float(mean**0.5) if task == "regression" else float(mean)


def objectives(trial: Tried) -> tuple[float, float, float, float]:
    """Error, flash, RAM and latency, each the smaller the better."""
    error = float("inf") if trial.error is None else trial.error
    return error, trial.estimate.flash, trial.estimate.ram, trial.estimate.latency_us


def beats(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `a` is nowhere worse and somewhere better."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def front_of(trials: Sequence[Tried]) -> list[Tried]:
    """Finished trials that no other finished trial beats, the smallest flash first; of equals the earlier one."""
    done = [trial for trial in trials if trial.state == "done"]
    figures = [objectives(trial) for trial in done]
    kept = []
    for place, (trial, own) in enumerate(zip(done, figures, strict=True)):
        if not any(beats(other, own) for other in figures) and own not in figures[:place]:
            kept.append(trial)
    return sorted(kept, key=lambda trial: (trial.estimate.flash, trial.number))


def stopped_by(first: FoldError, own: Tried, done: Sequence[Tried]) -> Tried | None:
    """The finished trial that stops one after its first fold, by `RULE`."""
    costs = objectives(own)[1:]
    for other in done:
        cheaper = all(x <= y for x, y in zip(objectives(other)[1:], costs, strict=True))
        if other.state == "done" and cheaper and first.mean - other.folds[0].mean > first.spread:
            return other
    return None


def spread_over(front: Sequence[Tried], most: int) -> list[Tried]:
    """At most `most` points of a front, the best of each stretch of flash among them."""
    if len(front) <= most:
        return list(front)
    chosen = []
    for place in range(most):
        stretch = front[place * len(front) // most : (place + 1) * len(front) // most]
        chosen.append(min(stretch, key=objectives))
    return chosen
