"""Proposals of a search: a function of the results so far, the seed and the index of the batch.

A new sampler is created for every batch. A resumed search therefore proposes the same points, and the history of the
sampler stays bounded for long searches.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from edgewright.search.architecture.space import Axis, Point, Space
from edgewright.search.architecture.study import objectives
from edgewright.search.architecture.trial import Tried

Sampler: TypeAlias = Literal["nsga2", "tpe", "random"]
# Maximum number of trials in the sampler's history: the best trial of each size and the latest trials.
HISTORY = 120
# The first STARTUP points are the pipeline's own point with each axis redrawn with probability REDRAW_PROBABILITY,
# because a pipeline rarely works after half of its choices change.
STARTUP, REDRAW_PROBABILITY = 32, 0.35
# Population size of NSGA-II.
POPULATION = 40
# Keys under which Optuna stores the constraints of a trial, and NSGA-II its generation.
_CONSTRAINTS, _GENERATION = "constraints", "NSGAIISampler:generation"
_MOST_VIOLATION = 1e6


def propose(
    space: Space, history: Sequence[Tried], *, seed: int, batch: int, count: int, sampler: Sampler
) -> list[Point]:
    """Return the next points, which differ from all points in the history where possible.

    Args:
        space: search space.
        history: all trials so far, in order.
        seed: seed of the search.
        batch: index of the batch.
        count: number of points.
        sampler: 'nsga2', 'tpe' or 'random'.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    remembered = _remembered(history)
    seen = {space.key(trial.point) for trial in remembered}
    found: list[Point] = []
    if not history:
        found.append(space.own())
        seen.add(space.key(found[0]))
    rng = np.random.default_rng([seed, batch, 1])
    for _ in range(8 * count if len(history) < STARTUP and sampler != "random" else 0):
        if len(found) == count:
            return found
        point = {
            axis.name: _drawn(axis, rng) if rng.random() < REDRAW_PROBABILITY else space.own()[axis.name]
            for axis in space.axes
        }
        if space.key(point) not in seen:
            seen.add(space.key(point))
            found.append(point)
    axes = {axis.name: _distribution(axis) for axis in space.axes}
    number = int(np.random.default_rng([seed, batch]).integers(1 << 31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(directions=["minimize"] * 4, sampler=_sampler(sampler, number, len(history)))
        study.add_trials(_optuna_trials(axes, remembered))
        for _ in range(4 * count):
            if len(found) == count:
                break
            point = study.ask(axes).params
            if space.key(point) not in seen:
                seen.add(space.key(point))
                found.append(dict(point))
    while len(found) < count:
        # A small space is soon exhausted; the remaining points are drawn at random and may repeat.
        found.append({axis.name: _drawn(axis, rng) for axis in space.axes})
    return found


def _sampler(name: Sampler, seed: int, tried: int) -> BaseSampler:
    if name == "random" or not tried:
        return RandomSampler(seed=seed)
    if name == "tpe":
        return TPESampler(seed=seed, multivariate=True, n_startup_trials=1)
    return NSGAIISampler(seed=seed, population_size=POPULATION)


def _remembered(history: Sequence[Tried]) -> list[Tried]:
    """Return the latest trials, and the earlier finished ones whose error no smaller trial beats."""
    if len(history) <= HISTORY:
        return list(history)
    earlier = [trial for trial in history[: -HISTORY // 2] if trial.state == "done"]
    kept: list[Tried] = []
    for trial in sorted(earlier, key=lambda trial: (trial.estimate.flash, trial.error or 0.0, trial.number)):
        if not kept or (trial.error or 0.0) < (kept[-1].error or 0.0):
            kept.append(trial)
    # The last entries have the smallest errors.
    best = kept[-HISTORY // 2 :]
    return sorted([*best, *history[-HISTORY // 2 :]], key=lambda trial: trial.number)


def _optuna_trials(axes: dict[str, BaseDistribution], history: Sequence[Tried]) -> list[FrozenTrial]:
    """Return the history as Optuna trials of one generation, so that the sampler creates the next generation."""
    finite = [objectives(trial) for trial in history if trial.error is not None]
    worst = [max((figures[i] for figures in finite), default=1.0) for i in range(4)]
    made = []
    for trial in history:
        values = objectives(trial)
        beyond = min(_violation(trial), _MOST_VIOLATION)
        made.append(
            create_trial(
                state=TrialState.COMPLETE,
                params=dict(trial.point),
                distributions=axes,
                values=[value if np.isfinite(value) else 2 * top for value, top in zip(values, worst, strict=True)],
                system_attrs={_GENERATION: 0, _CONSTRAINTS: (beyond,)},
            )
        )
    return made


def _violation(trial: Tried) -> float:
    """Return the constraint violation of a trial: above 0 if it exceeds the budget or cannot be built or trained."""
    if trial.state == "beyond":
        return max(trial.beyond, 1e-9)
    return 100.0 if trial.state in ("impossible", "failed") else 0.0


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.choices:
        return CategoricalDistribution(axis.choices)
    if axis.step:
        high = int(axis.high - (axis.high - axis.low) % axis.step)
        return IntDistribution(int(axis.low), high, step=axis.step)
    return FloatDistribution(axis.low, axis.high, log=True)


def _drawn(axis: Axis, rng: np.random.Generator) -> bool | int | float | str:
    if axis.choices:
        return axis.choices[int(rng.integers(len(axis.choices)))]
    if axis.step:
        return int(axis.low) + axis.step * int(rng.integers(int((axis.high - axis.low) // axis.step) + 1))
    return float(np.exp(rng.uniform(np.log(axis.low), np.log(axis.high))))
