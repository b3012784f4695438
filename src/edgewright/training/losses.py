"""Losses of one sample, written once for NumPy and JAX.

A loss gives, for raw outputs of shape (n, k) and targets of shape (n,), the loss of each sample and whether its answer
is right, both of shape (n,).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from edgewright.core.records.trace import EvaluationRecord, Interval, SampleAnswers
from edgewright.core.records.trace_flow import SampleGain

Floats = NDArray[np.floating[Any]]
# Beyond these the validation samples are too few or all right, and a sharper answer would not be honest.
LOWEST, HIGHEST = 0.25, 20.0
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def temperature(logits: Floats, targets: NDArray[Any], loss: Loss) -> float:
    """Return the temperature of least mean loss, by golden-section search over its logarithm.

    Args:
        logits: shape (n, k), of samples the network was not fitted on.
        targets: class numbers, shape (n,).
        loss: a cross-entropy of `losses`.

    Returns:
        A number between `LOWEST` and `HIGHEST`; 1 when there are no samples.
    """
    if len(targets) == 0:
        return 1.0
    wide, true = np.asarray(logits, np.float64), np.asarray(targets, np.float64)

    def mean_loss(log_temperature: float) -> float:
        return float(np.mean(loss(np, wide / math.exp(log_temperature), true, 0.0)[0]))

    low, high = math.log(LOWEST), math.log(HIGHEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = mean_loss(left), mean_loss(right)
    while high - low > 1e-4:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = mean_loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = mean_loss(right)
    return math.exp((low + high) / 2)


Loss = Callable[[ModuleType, Any, Any, Any], tuple[Any, Any]]


def softmax_cross_entropy(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Cross-entropy of softmax with integer classes.

    Args:
        xp: `numpy` or `jax.numpy`.
        outputs: logits, shape (n, k).
        targets: class numbers as floats, shape (n,).
        smoothing: share of the target spread evenly over all classes.
    """
    classes = outputs.shape[1]
    shifted = outputs - xp.max(outputs, axis=1, keepdims=True)
    log_sum = xp.log(xp.sum(xp.exp(shifted), axis=1))
    chosen = xp.asarray(targets[:, None] == xp.arange(classes)[None, :], shifted.dtype)
    at_target = xp.sum(shifted * chosen, axis=1)
    loss = log_sum - (1.0 - smoothing) * at_target - smoothing * xp.mean(shifted, axis=1)
    return loss, at_target >= 0


def sigmoid_cross_entropy(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Binary cross-entropy of one logit, shape (n, 1), with targets 0 or 1; stable for large logits."""
    logit = outputs[:, 0]
    smooth = targets * (1.0 - smoothing) + 0.5 * smoothing
    loss = xp.maximum(logit, 0.0) - logit * smooth + xp.log1p(xp.exp(-xp.abs(logit)))
    return loss, (logit > 0) == (targets > 0)


def mean_squared_error(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Squared error of one output, shape (n, 1); `smoothing` has no meaning here and is not used."""
    error = outputs[:, 0] - targets
    return error * error, xp.zeros_like(error) > 0


def distilled_softmax_cross_entropy(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Cross-entropy with the labels and, at a temperature, with a teacher's probabilities (Hinton et al., 2015).

    Args:
        xp: `numpy` or `jax.numpy`.
        outputs: logits, shape (n, k).
        targets: class number, temperature T from 1 on, share of the teacher, and the teacher's k probabilities at T:
            shape (n, 3 + k).
        smoothing: of the labels.
    """
    hard, right = softmax_cross_entropy(xp, outputs, targets[:, 0], smoothing)
    # A batch is filled up with rows of zeros, which must stay numbers.
    heat, share, teacher = xp.maximum(targets[:, 1], 1.0), targets[:, 2], targets[:, 3:]
    scaled = outputs / heat[:, None]
    shifted = scaled - xp.max(scaled, axis=1, keepdims=True)
    soft = xp.log(xp.sum(xp.exp(shifted), axis=1)) - xp.sum(teacher * shifted, axis=1)
    # Gradients of the soft targets shrink with T squared.
    return (1.0 - share) * hard + share * heat * heat * soft, right


def distilled_sigmoid_cross_entropy(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Compute the loss for one logit (n, 1): targets are label, T, share, the second class's probability at T."""
    hard, right = sigmoid_cross_entropy(xp, outputs, targets[:, 0], smoothing)
    heat, share, teacher = xp.maximum(targets[:, 1], 1.0), targets[:, 2], targets[:, 3]
    logit = outputs[:, 0] / heat
    soft = xp.maximum(logit, 0.0) - logit * teacher + xp.log1p(xp.exp(-xp.abs(logit)))
    return (1.0 - share) * hard + share * heat * heat * soft, right


def distilled_mean_squared_error(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Squared error to the target and to a teacher's answer: targets are target, unused, share, answer: (n, 4)."""
    hard, right = mean_squared_error(xp, outputs, targets[:, 0], smoothing)
    soft, _ = mean_squared_error(xp, outputs, targets[:, 3], smoothing)
    return (1.0 - targets[:, 2]) * hard + targets[:, 2] * soft, right


def signal_to_distortion(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Logarithm of the mean squared error of a signal: its signal-to-distortion ratio but for sign and a constant.

    A window in loud noise and one in little weigh alike, as they do in a mean of decibels. `smoothing` is not used.

    Args:
        xp: `numpy` or `jax.numpy`.
        outputs: shape (n, ...), in units of the signal's deviation; errors far below it are not told apart.
        targets: as `outputs`.
        smoothing: without a meaning here.
    """
    error = xp.mean(xp.reshape(xp.square(outputs - targets), (outputs.shape[0], -1)), axis=1)
    return 10.0 * xp.log10(error + _FLOOR), error < 0


def squared_distance(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Mean squared error of a signal or picture, shape (n, ...); `smoothing` is not used."""
    error = xp.mean(xp.reshape(xp.square(outputs - targets), (outputs.shape[0], -1)), axis=1)
    return error, error < 0


def map_of_objects(xp: ModuleType, outputs: Any, targets: Any, smoothing: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Weighted cross-entropy of softmax over the classes of each cell, mean over the cells.

    Args:
        xp: `numpy` or `jax.numpy`.
        outputs: logits, shape (n, classes, rows, columns).
        targets: class number and weight of each cell, shape (n, 2, rows, columns).
        smoothing: share of the target spread evenly over all classes.
    """
    classes = outputs.shape[1]
    shifted = outputs - xp.max(outputs, axis=1, keepdims=True)
    log_sum = xp.log(xp.sum(xp.exp(shifted), axis=1))
    chosen = xp.asarray(targets[:, :1] == xp.arange(classes)[None, :, None, None], shifted.dtype)
    at_target = xp.sum(shifted * chosen, axis=1)
    loss = log_sum - (1.0 - smoothing) * at_target - smoothing * xp.mean(shifted, axis=1)
    return xp.mean(loss * targets[:, 1], axis=(1, 2)), xp.zeros(outputs.shape[0]) > 0


def softmax_gradient(outputs: Floats, targets: Floats, smoothing: float) -> Floats:
    """Return the derivatives of `softmax_cross_entropy` by the outputs, shape (n, k), in NumPy."""
    columns = np.ascontiguousarray(outputs.T)  # sums over few classes are slow along a row
    columns -= np.maximum.reduce(columns)
    np.exp(columns, out=columns)
    columns /= np.add.reduce(columns)
    if smoothing:
        columns -= smoothing / len(columns)
    columns[targets.astype(np.int64), np.arange(len(targets))] -= 1.0 - smoothing
    return columns.T


def sigmoid_gradient(outputs: Floats, targets: Floats, smoothing: float) -> Floats:
    """Return the derivatives of `sigmoid_cross_entropy` by the logits, shape (n, 1), in NumPy."""
    smooth = targets * (1.0 - smoothing) + 0.5 * smoothing
    derivatives: Floats = 0.5 + 0.5 * np.tanh(0.5 * outputs) - smooth[:, None]
    return derivatives


def squared_gradient(outputs: Floats, targets: Floats, smoothing: float) -> Floats:
    """Return the derivatives of `mean_squared_error` by the outputs, shape (n, 1), in NumPy."""
    del smoothing
    derivatives: Floats = 2.0 * (outputs - targets[:, None])
    return derivatives


GRADIENTS: dict[str, Callable[[Floats, Floats, float], Floats]] = {
    "softmax_cross_entropy": softmax_gradient,
    "sigmoid_cross_entropy": sigmoid_gradient,
    "mean_squared_error": squared_gradient,
}
# Of a mean squared error, where the signal has a power of 1: 40 dB below it.
_FLOOR = 1e-4
LOSSES: dict[str, Loss] = {
    function.__name__: function
    for function in (
        softmax_cross_entropy,
        sigmoid_cross_entropy,
        mean_squared_error,
        distilled_softmax_cross_entropy,
        distilled_sigmoid_cross_entropy,
        distilled_mean_squared_error,
        signal_to_distortion,
        squared_distance,
        map_of_objects,
    )
}


# Amounts take four bytes a sample, and a record is read by people, too.
MOST_ERRORS = 10_000
_DRAWS = 1000


def right_answers(
    truth: NDArray[np.integer], names: tuple[str, ...], rows: NDArray[np.integer], right: NDArray[np.bool_]
) -> SampleAnswers:
    """Return which answers are right.

    Args:
        truth: number of the class of each sample.
        names: of the classes.
        rows: number of each sample in the data.
        right: whether its answer is right.
    """
    digest = _digest("\0".join(names).encode(), np.asarray(rows, "<i8"), np.asarray(truth, "<i8"))
    return SampleAnswers(samples=digest, right=np.packbits(right).tobytes())


def errors_of(truth: NDArray[np.floating], error: NDArray[np.floating]) -> SampleAnswers | msgspec.UnsetType:
    """Return the errors of amounts; unset for more than `MOST_ERRORS` samples.

    Args:
        truth: amount of each sample.
        error: answer minus truth.
    """
    if len(error) > MOST_ERRORS:
        return msgspec.UNSET
    return SampleAnswers(samples=_digest(b"", np.asarray(truth, "<f8")), errors=np.asarray(error, "<f4").tobytes())


def _digest(start: bytes, *parts: NDArray[np.generic]) -> str:
    digest = hashlib.sha256(start)
    for part in parts:
        digest.update(part.tobytes())
    return digest.hexdigest()[:32]


def sample_gain(first: EvaluationRecord, other: EvaluationRecord) -> SampleGain | None:
    """Compare two models by their answers to the same samples.

    Classes: the exact test of McNemar (1947), a binomial test of the samples that one model alone answers right.
    Amounts: a paired bootstrap of the change of each error (Efron, 1979), 95 % of 1,000 draws.

    Returns:
        None where one record keeps no answers, or of other samples.
    """
    ours, theirs = first.answers, other.answers
    if isinstance(ours, msgspec.UnsetType) or isinstance(theirs, msgspec.UnsetType) or ours.samples != theirs.samples:
        return None
    if ours.right and theirs.right:
        before, after = (
            np.unpackbits(np.frombuffer(answers.right, np.uint8), count=first.samples).astype(bool)
            for answers in (ours, theirs)
        )
        better, worse = int((after & ~before).sum()), int((before & ~after).sum())
        p = min(1.0, 2.0 * float(bdtr(min(better, worse), better + worse, 0.5))) if better + worse else 1.0
        return SampleGain(better=better, worse=worse, p=p)
    if not ours.errors or not theirs.errors:
        return None
    errors = [np.frombuffer(answers.errors, "<f4").astype(np.float64) for answers in (ours, theirs)]
    return SampleGain(changes=_bootstrapped(*errors))


def _bootstrapped(first: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, Interval]:
    generator = np.random.default_rng(0)
    absolute = np.stack([np.abs(first), np.abs(other)])
    squared = absolute**2
    draws = np.empty((_DRAWS, 2))
    for draw in draws:
        rows = generator.integers(len(first), size=len(first))
        draw[0] = np.subtract(*absolute[::-1, rows].mean(axis=1))
        draw[1] = np.subtract(*np.sqrt(squared[::-1, rows].mean(axis=1)))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    values = (np.subtract(*absolute[::-1].mean(axis=1)), np.subtract(*np.sqrt(squared[::-1].mean(axis=1))))
    return {
        name: Interval(value=float(values[k]), low=float(low[k]), high=float(high[k]), method="paired bootstrap")
        for k, name in enumerate(("mae", "rmse"))
    }
