"""What a missing value is, and how many of them leave a sample without an answer: one rule on desk and device."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

# Key of a model's metadata: the largest share of missing values at which there is an answer, as text.
METADATA = "edgewright.missing"
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
    text = metadata.get(METADATA, "")
    if not text:
        return None
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0.0 <= limit <= 1.0:
        raise InputError("a share from 0 to 1", repr(text[:40]), f"metadata {METADATA}")
    return limit
