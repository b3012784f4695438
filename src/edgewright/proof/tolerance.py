"""How far apart two values may be, and why."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.proof.form import LABEL, PREDICTION, PROBABILITIES, Stages, Yardstick

# float32 rounds at every operation, in an order that each engine chooses: a value may differ by this share of itself
# plus this share of its spread, for what is left of a difference of large numbers has lost its own digits.
RELATIVE = SPREAD = 1e-5
# After the boundary the rounding of every layer before has come together. It is measured by what the layer's values are
# as large as: one behind a ReLU that is nearly always 0 has no spread of its own, but sums as large as its neighbours'.
NETWORK_SPREAD = 1e-4
PROBABILITY = 1e-4
# Readings may differ by this many of their last digits; they are moved by `DIGIT_STEP` of them to see what that does,
# since a single one may vanish in a sum.
LAST_DIGITS, DIGIT_STEP = 2.0, 4.0
# Runs with the results on the way moved by chance: all of 8 show less than half a deviation of 1 value in 2,500.
DRAWS = 8
# With fewer samples than this the spread of one value says little, and that of the whole stage stands for it.
_FEW = 16
# Readings of samples by construction are moved by this share, so many times; rounding is allowed this part of what that
# changes, some 16 last digits of the readings. A value of which it changes more than `_DECIDED` is not judged.
SHAKE, _SHAKES, CONSTRUCTED, _DECIDED = np.float32(1e-4), 6, 0.02, 0.05
PREPROCESSING = "float32 order of operations: relative 1e-5 + 1e-5 of the spread + 2 last digits on the way"
NETWORK = "float32 order of operations in every layer: relative 1e-5 + 1e-4 of the layer's size or the value's spread"
CHANCE = "rounding of every layer before: 1e-4, and 2 last digits of the readings"
EXACT = "one definition of rounding: bit-exact"
ONE_STEP = "its own rounding: one step for equal input bytes"
ELSEWHERE = "reported only: this form is compared with the reference"
ENDS = "its own rounding in every layer: {:g} of a probability"
SAME = "the same label"


def spreads(stages: Stages) -> Stages:
    """Return standard deviation of every value over the samples, shape (1, ...), float64."""
    made: Stages = {}
    for stage, values in stages.items():
        if values.dtype.kind != "f" or not len(values):
            continue
        axis = 0 if len(values) >= _FEW else None
        with np.errstate(all="ignore"), warnings.catch_warnings():
            # A value that is missing in every sample has no spread.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = np.nanstd(values, axis=axis, dtype=np.float64, keepdims=True) if values.size else np.zeros(1)
        made[stage] = np.nan_to_num(found)
    return made


def moved_results(generator: np.random.Generator) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function that moves each value of an array by `DIGIT_STEP` of its last digits, up or down by chance.

    After every operation of a graph it shows what rounding on the way can change in a result: arithmetic by chance
    (Parker, Monte Carlo Arithmetic, UCLA CSD-970002, 1997). Integers and conditions stay as they are.
    """
    factors = (1 + DIGIT_STEP * np.finfo(np.float32).eps * np.array([-1, 1])).astype(np.float32)

    def move(values: NDArray[Any]) -> NDArray[Any]:
        if values.dtype != np.float32:
            return values
        return np.asarray(values * factors[generator.integers(0, 2, values.shape, np.uint8)])

    return move


def moved_readings(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sample whose readings stand `DIGIT_STEP` of their last digits higher; and each higher or lower by chance.

    The first shows in means, the second in what is left of sums that cancel.
    """
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), samples.shape)
    with np.errstate(all="ignore"):
        step = np.float32(DIGIT_STEP) * np.spacing(np.abs(samples))
        return np.asarray(samples + step, np.float32), np.asarray(samples + signs * step, np.float32)


def shaken_readings(samples: NDArray[np.float32], data: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield samples by construction, each reading higher or lower by chance, several times.

    By `SHAKE` of the channel's largest reading, there or in the data: what rounds in between is not in proportion to a
    reading itself, such as a zero beside a large one.
    """
    axes = tuple(range(2, samples.ndim))
    with np.errstate(all="ignore"):
        usual = np.where(np.isfinite(data), np.abs(data), 0).max(axis=(0, *axes), keepdims=True)
        size = np.where(np.isfinite(samples), np.abs(samples), 0).max(axis=axes, keepdims=True)
        step = SHAKE * np.maximum(size, usual)
        for seed in range(_SHAKES):
            signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), samples.shape)
            yield np.asarray(samples + signs * step, np.float32)


def wide_digits(given: Stages, shaken: Sequence[Stages], spread: Stages) -> Stages:
    """Return what is allowed of each value of samples by construction for the rounding of what led to it.

    A value that a shake decides, such as the skewness of a channel that does not move, may be anything.
    """
    made: Stages = {}
    for stage, values in given.items():
        if values.dtype.kind != "f":
            continue
        with np.errstate(all="ignore"):
            changes = [np.abs(other[stage].astype(np.float64) - values) for other in shaken]
            change = np.nan_to_num(np.max(changes, axis=0), nan=np.inf)
            size = np.abs(values.astype(np.float64)) + spread.get(stage, np.zeros(1))
            made[stage] = np.where(change > _DECIDED * size, np.inf, CONSTRUCTED * change)
    return made


def last_digits(given: Stages, moved: Sequence[Stages]) -> Stages:
    """Return the largest change that `LAST_DIGITS` of readings and of intermediate results cause in each value.

    Args:
        given: stages of the samples as they are.
        moved: stages, all or some of them, where digits were moved by `DIGIT_STEP`.
    """
    made: Stages = {}
    for stage, values in given.items():
        if values.dtype.kind != "f":
            continue
        upper = np.zeros(values.shape)
        for other in moved:
            if stage not in other:
                continue
            with np.errstate(all="ignore"):
                change = np.abs(other[stage].astype(np.float64) - values) * (LAST_DIGITS / DIGIT_STEP)
            upper = np.maximum(upper, np.nan_to_num(change, posinf=0.0))
        made[stage] = upper
    return made


def allowed(stage: str, values: NDArray[Any], yard: Yardstick) -> tuple[NDArray[np.float64], str]:
    """How far a float value may be from `values` at a stage, and the reason.

    Returns:
        Shape of `values`, and the tolerance in words.
    """
    expected = np.abs(values.astype(np.float64))
    spread = yard.spread.get(stage, np.zeros(1))
    if stage == PROBABILITIES:
        made, words = np.full(values.shape, PROBABILITY), CHANCE
    elif stage == PREDICTION:
        unit = _range(values[yard.data(len(values))]) or 1.0
        made, words = RELATIVE * expected + PROBABILITY * unit, CHANCE + " of their range"
    elif stage in yard.before:
        made, words = RELATIVE * expected + SPREAD * spread, PREPROCESSING
    else:
        made = RELATIVE * expected + NETWORK_SPREAD * np.maximum(spread, _sizes(expected, yard.data(len(values))))
        words = NETWORK
    digits = yard.digits.get(stage)
    if digits is not None and digits.shape[1:] == values.shape[1:]:
        made = made + digits[: len(values)]
    return np.broadcast_to(np.nan_to_num(made, posinf=np.inf), values.shape), words


def wide(stage: str, values: NDArray[Any], yard: Yardstick) -> tuple[NDArray[np.float64], str]:
    """Return what is allowed between two int8 forms of which one rounds in its own way."""
    unit = 1.0 if stage in (PROBABILITIES, LABEL) else _range(values[yard.data(len(values))]) or 1.0
    return np.full(values.shape, yard.int8_tolerance * unit), ENDS.format(yard.int8_tolerance)


def _sizes(values: NDArray[np.float64], data: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How large a layer is: over all samples of the data, and for one by construction at least over itself."""
    sizes = np.full((len(values), *(1,) * (values.ndim - 1)), _size(values[data]))
    for row in np.flatnonzero(~data):
        sizes[row] = max(float(sizes[row].max()), _size(values[row]))
    return sizes


def _size(values: NDArray[np.float64]) -> float:
    """Root mean square of what is finite."""
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0


def _range(values: NDArray[Any]) -> float:
    return float(np.ptp(values)) if values.size else 0.0
