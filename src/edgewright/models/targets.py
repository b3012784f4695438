"""Targets and weights as the training loop takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

Floats = NDArray[np.float32]


def encode(y: Any, samples: int, classes: NDArray[Any] | None = None) -> tuple[NDArray[Any], Floats]:  # noqa: ANN401
    """Classes, sorted, and the number of each sample's class as a float, shape (n,).

    Args:
        y: labels, shape (n,).
        samples: how many there must be.
        classes: the known ones; found in `y` when None.

    Raises:
        InputError: for another number of labels, fewer than two classes, or an unknown label.
    """
    labels = _column(y, samples)
    if classes is None:
        classes, numbered = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise InputError(
                "at least two classes", f"only {classes[0]!s}", "the target", "Add samples of another class"
            )
        return classes, numbered.astype(np.float32)
    place = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    unknown = classes[place] != labels
    if unknown.any():
        raise InputError("validation labels that training knows", repr(str(labels[unknown][0])), "the target")
    return classes, place.astype(np.float32)


def numbers(y: Any, samples: int) -> NDArray[np.float64]:  # noqa: ANN401 - any array-like
    """A numeric target, shape (n,).

    Raises:
        InputError: for text, or a number that is not finite.
    """
    column = _column(y, samples)
    try:
        values = column.astype(np.float64)
    except ValueError as error:
        raise InputError("numbers", str(error), "the target") from None
    if not np.isfinite(values).all():
        raise InputError("finite numbers", "a missing or infinite value", "the target")
    return values


def sample_weights(weights: Any, samples: int) -> Floats:  # noqa: ANN401 - any array-like or None
    """Weights of mean 1, shape (n,), float32.

    Raises:
        InputError: for another number of weights, or a negative one, or all zero.
    """
    if weights is None:
        return np.ones(samples, np.float32)
    values = _column(weights, samples).astype(np.float64)
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum():
        raise InputError("weights of at least zero, some above", "other weights", "sample_weight")
    weighed: Floats = (values / values.mean()).astype(np.float32)
    return weighed


def class_weights(targets: Floats, kind: str) -> Floats:
    """Weight of each class: 1, or the inverse of its frequency with mean 1 over the samples ('balanced').

    Raises:
        InputError: for another word.
    """
    counts = np.bincount(targets.astype(np.int64))
    if kind == "none":
        return np.ones(len(counts), np.float32)
    if kind != "balanced":
        raise InputError("'none' or 'balanced'", repr(kind), "training.class_weights")
    return (len(targets) / (len(counts) * counts)).astype(np.float32)


def _column(values: Any, samples: int) -> NDArray[Any]:  # noqa: ANN401 - any array-like
    column = np.asarray(values)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.dtype == object:
        column = column.astype(np.str_)
    if column.shape != (samples,):
        raise InputError(f"{samples} targets, one a sample", f"shape {column.shape}", "the target")
    return column
