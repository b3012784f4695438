"""Targets: text or numbers, and whether they are classes or amounts."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.units import MISSING_LABELS, MISSING_NUMBERS, is_number
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError

# More whole numbers than this are an amount (a count, an age), not classes, unless the pipeline says otherwise.
MOST_WHOLE_CLASSES = 20
# Rows of a column of text that are sorted at once.
_PART_ROWS = 4096


def read_target(text: NDArray[np.str_], text_labels: Sequence[str] = ()) -> Any:  # noqa: ANN401 - text or float64
    """Return a column of text as a target: float64 with NaN where missing if every value is a number, else labels.

    Args:
        text: shape (rows,); empty, `nan`, `NA`, `n/a`, `null`, `?` and `unavailable` count as missing, '' in the
            labels. Among amounts every spelling of a missing number does.
        text_labels: labels that are text as they are, such as `01` and `NA`.
    """
    texts, codes = coded(text)
    clean = np.char.strip(texts)
    labels = np.where(np.isin(np.char.lower(clean), list(MISSING_LABELS)), "", clean)
    if text_labels and (kept := np.isin(texts, text_labels)).any():
        return np.where(kept, texts, labels)[codes]
    try:
        return np.where(labels == "", "nan", labels).astype(np.float64)[codes]
    except ValueError:
        missing = np.isin(np.char.lower(clean), list(MISSING_NUMBERS))
        if (~missing).sum() <= MOST_WHOLE_CLASSES or not all(map(is_number, clean[~missing].tolist())):
            return labels[codes]
        return np.where(missing, "nan", clean).astype(np.float64)[codes]


def coded(text: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.int32]]:
    """Return the different texts of a column in their order, and the place of each row's among them.

    It is `np.unique`, a part at a time: a column of many rows is not copied and sorted.
    """
    places: dict[str, int] = {}
    codes = np.empty(len(text), np.int32)
    for start in range(0, len(text), _PART_ROWS):
        part, own = np.unique(text[start : start + _PART_ROWS], return_inverse=True)
        known = np.array([places.setdefault(name, len(places)) for name in part.tolist()], np.int32)
        codes[start : start + _PART_ROWS] = known[own]
    texts = np.array(list(places), text.dtype)
    order = np.argsort(texts)
    ranks = np.empty(len(texts), np.int32)
    ranks[order] = np.arange(len(texts), dtype=np.int32)
    return texts[order], ranks[codes]


def counted(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values of a target in their order, and how many rows have each.

    Args:
        y: shape (rows,), text or numbers.
    """
    if y.dtype.kind != "U":
        return np.unique(y, return_counts=True)
    texts, codes = coded(y)
    return texts, np.bincount(codes, minlength=len(texts))


def written_labels(labels: Sequence[str]) -> dict[str, str]:
    """Return the text of each label that is written as Python text, `'01'` for 01, and how it is written."""
    texts: dict[str, str] = {}
    for label in labels:
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            text = ast.literal_eval(label) if label[:1] in ("'", '"') else None
            texts |= {text: label} if isinstance(text, str) and repr(text) == label else {}
    return texts


def as_text(y: Any) -> Labels:  # noqa: ANN401 - text or numbers
    """Label as text: whole numbers without a point ('3'), true and false in lower case, NaN as ''."""
    values = np.asarray(y)
    if values.dtype.kind in "US":
        return np.asarray(values.astype(np.str_, copy=False))
    if values.dtype.kind == "b":
        return np.where(values, "true", "false")
    if values.dtype.kind in "iu":
        return np.asarray(values.astype(np.str_))
    kinds, where = np.unique(values.astype(np.float64), return_inverse=True)
    names = [
        "" if np.isnan(v) else str(int(v)) if v == np.round(v) and abs(v) < 1e15 else repr(float(v)) for v in kinds
    ]
    return np.array(names, dtype=np.str_)[where] if names else np.empty(0, dtype=np.str_)


def labelled(y: Any) -> NDArray[np.bool_]:  # noqa: ANN401 - text or float64
    """Which rows carry a label: shape (rows,); no array of its own where one label is that of all."""
    values = np.asarray(y)
    if values.ndim == 1 and values.strides == (0,) and len(values) > 1:
        return np.broadcast_to(labelled(values[:1].copy()), values.shape)
    return np.asarray(values != "") if values.dtype.kind == "U" else ~np.isnan(values.astype(np.float64))


def task_of(y: Any, task: str = "auto") -> str:  # noqa: ANN401 - text or numbers
    """'classification', 'regression', 'detection' or 'anomaly'.

    Args:
        y: shape (n,), text, true/false or numbers.
        task: 'auto' takes classification for text, true/false and at most 20 different whole numbers; 'detection' and
            'anomaly' are never chosen by themselves.

    Raises:
        InputError: for regression on text.
    """
    values = np.asarray(y)
    numeric = values.dtype.kind in "fiu"
    if task == "regression" and not numeric:
        raise InputError("numbers in the target of a regression", f"text such as {str(values[0])!r}", "task")
    if task != "auto":
        return task
    if not numeric:
        return "classification"
    known = values.astype(np.float64)
    known = known[~np.isnan(known)]
    whole = bool(np.all(known == np.round(known)))
    return "classification" if whole and len(np.unique(known)) <= MOST_WHOLE_CLASSES else "regression"


def encode_target(y: Any, task: str = "auto") -> Any:  # noqa: ANN401 - text or float64
    """Return the target as its task needs it: text for classes and objects, float64 for regression."""
    if task_of(y, task) != "regression":
        return as_text(y)
    return np.asarray(y, dtype=np.float64)


def class_names(y: Any) -> tuple[str, ...]:  # noqa: ANN401 - text or numbers
    """Sort class names: numbers by size ('2' before '10'), other text alphabetically."""
    names = [str(name) for name in np.unique(as_text(y)) if name]
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(names)


def class_codes(y: Any, classes: tuple[str, ...]) -> NDArray[np.int64]:  # noqa: ANN401 - text or numbers
    """Index of each label in `classes`: shape (n,); -1 for a label that is not among them."""
    text = as_text(y)
    if not classes:
        return np.full(len(text), -1, dtype=np.int64)
    order = np.argsort(np.array(classes))
    location = np.searchsorted(np.array(classes)[order], text).clip(0, len(classes) - 1)
    codes = order[location]
    return np.where(np.array(classes)[codes] == text, codes, -1).astype(np.int64)
