"""Declared input ranges as they travel with a model: what its sensors can give, column by column."""

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
        made = tuple((str(name), _limit(low), _limit(high)) for name, low, high in table)
    except (ValueError, TypeError, RecursionError):
        raise InputError("a list of [name, smallest, largest]", repr(text[:40]), f"metadata {METADATA}") from None
    return made


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
