"""What a model takes, in its metadata: ranges that its sensors can give, and how many values may be missing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Column
from edgewright.schema.errors import InputError

# Key of the model's metadata: a JSON list with [name, smallest, largest] of each column, null where not declared.
METADATA = "edgewright.ranges"
Ranges = tuple[tuple[str, float | None, float | None], ...]


def ranges_text(columns: Sequence[Column]) -> str:
    """Return the metadata of columns; empty where none declares a range."""
    if all(column.minimum is None and column.maximum is None for column in columns):
        return ""
    table = [[column.name, column.minimum, column.maximum] for column in columns]
    return json.dumps(table, ensure_ascii=False, separators=(",", ":"))


def read_ranges(metadata: dict[str, str]) -> Ranges:
    """Return the declared ranges of a model, a column each; nothing where none is declared.

    Raises:
        InputError: for metadata of another form.
    """
    text = metadata.get(METADATA, "")
    if not text:
        return ()
    try:
        table = json.loads(text)
        ranges = tuple((str(name), _limit(low), _limit(high)) for name, low, high in table)
    except (ValueError, TypeError, RecursionError):
        raise InputError("a list of [name, smallest, largest]", repr(text[:40]), f"metadata {METADATA}") from None
    return ranges


def outside(samples: NDArray[np.float32], ranges: Ranges) -> NDArray[np.bool_]:
    """Which columns of which samples hold a value outside their range; a missing value (not finite) is not outside.

    Args:
        samples: shape (n, columns) or (n, channels, samples).
        ranges: as `read_ranges` gives them.

    Returns:
        Shape (n, columns).
    """
    if not ranges:
        return np.zeros((len(samples), 0), np.bool_)
    shape = (1, len(ranges), *(1,) * (samples.ndim - 2))
    low = np.array([-np.inf if low is None else low for _, low, _ in ranges], np.float32).reshape(shape)
    high = np.array([np.inf if high is None else high for _, _, high in ranges], np.float32).reshape(shape)
    flags: NDArray[np.bool_] = np.any(
        ((samples < low) | (samples > high)) & np.isfinite(samples), axis=tuple(range(2, samples.ndim))
    )
    return flags


def flagged(samples: NDArray[np.float32], ranges: Ranges) -> NDArray[np.int64]:
    """1 for a sample with a value outside a declared range, 0 for others, shape (n,)."""
    return np.asarray(outside(samples, ranges).any(axis=1), np.int64)


def _limit(value: float | None) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a limit that is no number")
    return number


# Key of a model's metadata: the largest share of missing values at which there is an answer, as text.
MISSING_METADATA = "edgewright.missing"
# Share of a row's columns, and of a channel's readings in a window, that may be missing. Of a window: see ADR 52.
ROW_LIMIT, WINDOW_LIMIT = 0.5, 0.25


def needed(limit: float, size: int) -> int:
    """How many of so many values must be there: at least 1, so that a sample without information has no answer.

    Args:
        limit: largest share that may be missing.
        size: columns of a row, or readings of a channel in a window.
    """
    # A limit of 0.1 of 10 values is one value, whatever float64 makes of the product.
    return max(1, size - math.floor(limit * size + 1e-9))


def shares(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of missing values, shape (n,), of each row, or of the channel of a window that misses most.

    Args:
        samples: shape (n, columns) or (n, channels, samples); what is not finite is missing.
    """
    with np.errstate(all="ignore"):
        # A sum is not finite where a value is: one pass in the common case.
        if np.isfinite(samples.sum(dtype=np.float64)):
            return np.zeros(len(samples), np.float32)
    absent = (~np.isfinite(samples)).reshape(len(samples), -1, samples.shape[-1])
    return np.asarray(absent.mean(axis=2).max(axis=1, initial=0.0), np.float32)


def unanswered(samples: NDArray[np.float32], limit: float) -> NDArray[np.bool_]:
    """Return samples with too many missing values for an answer, shape (n,).

    Args:
        samples: as `shares` takes them.
        limit: largest share that may be missing.
    """
    size = samples.shape[-1]
    return np.asarray(np.round(shares(samples) * np.float32(size)) > size - needed(limit, size))


def read_limit(metadata: dict[str, str]) -> float | None:
    """Return the limit that a model's metadata states; None where there is none.

    Raises:
        InputError: for metadata of another form.
    """
    text = metadata.get(MISSING_METADATA, "")
    if not text:
        return None
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0.0 <= limit <= 1.0:
        raise InputError("a share from 0 to 1", repr(text[:40]), f"metadata {MISSING_METADATA}")
    return limit
