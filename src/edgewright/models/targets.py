"""Targets and weights as the training loop takes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from edgewright.data.targets import coded
from edgewright.schema.errors import InputError

Floats = NDArray[np.float32]


class TargetError(InputError, ValueError):
    """A target or weights that cannot be trained on; a `ValueError` too, which scikit-learn's tools expect."""


@contextmanager
def many_classes() -> Iterator[None]:
    """Keep scikit-learn from guessing that a target with many classes and few samples is a number."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes is greater than")
        yield


def encode(
    y: Any,  # noqa: ANN401 - any array-like
    samples: int,
    classes: NDArray[Any] | None = None,
    fewest: int = 2,
) -> tuple[NDArray[Any], Floats]:
    """Return classes, sorted, and the number of each sample's class as a float, shape (n,).

    Args:
        y: labels, shape (n,).
        samples: how many there must be.
        classes: the known ones; found in `y` when None.
        fewest: classes that the model needs.

    Raises:
        InputError: for another number of labels, fewer classes than these, or an unknown label.
    """
    labels = _column(y, samples)
    is_text = labels.dtype.kind == "U"  # names of classes, whose rows are not copied and sorted to find them
    try:
        with many_classes():
            check_classification_targets(labels[:1] if is_text else labels)
    except ValueError as error:
        raise TargetError("class labels", str(error), "the target", "For numbers set task = 'regression'") from None
    if classes is None:
        classes, numbered = coded(labels) if is_text else np.unique(labels, return_inverse=True)
        if len(classes) < fewest:
            raise TargetError("at least two classes", f"one class, {classes[0]!s}", "the target", "Add others")
        return classes, numbered.astype(np.float32)
    location = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    unknown = classes[location] != labels
    if unknown.any():
        raise TargetError("validation labels that also occur in training", repr(str(labels[unknown][0])), "the target")
    return classes, location.astype(np.float32)


def numbers(y: Any, samples: int) -> NDArray[np.float64]:  # noqa: ANN401 - any array-like
    """Return a numeric target, shape (n,).

    Raises:
        InputError: for text, or a number that is not finite.
    """
    column = _column(y, samples)
    try:
        values = column.astype(np.float64)
    except ValueError as error:
        raise TargetError("numbers", str(error), "the target") from None
    if not np.isfinite(values).all():
        raise TargetError("finite numbers", "a missing or infinite value", "the target")
    return values


def sample_weights(weights: Any, samples: int) -> Floats:  # noqa: ANN401 - any array-like or None
    """Return weights of mean 1, shape (n,), float32.

    Raises:
        InputError: for another number of weights, or a negative one, or all zero.
    """
    if weights is None:
        return np.ones(samples, np.float32)
    values = _column(weights, samples).astype(np.float64)
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum():
        raise TargetError("weights of at least zero, one of them above zero", "other weights", "sample_weight")
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
        raise TargetError("'none' or 'balanced'", repr(kind), "training.class_weights")
    return (len(targets) / (len(counts) * counts)).astype(np.float32)


def _column(values: Any, samples: int) -> NDArray[Any]:  # noqa: ANN401 - any array-like
    try:
        column: NDArray[Any] = np.asarray(column_or_1d(values, warn=True))
    except ValueError as error:
        raise TargetError(f"{samples} targets, one a sample", str(error), "the target") from None
    if column.dtype == object:
        column = column.astype(np.str_)
    if column.shape != (samples,):
        raise TargetError(f"{samples} targets, one a sample", f"shape {column.shape}", "the target")
    return column
