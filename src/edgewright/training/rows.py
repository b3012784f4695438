"""Rows that need not exist whole: what the training loop reads from."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Neighbouring rows that are read together: 256 of 20 columns are 20 kB, and a chunk has hundreds of such blocks.
BLOCK_ROWS = 256
# A chunk is mixed from at least so many places.
_BLOCKS = 32


@runtime_checkable
class Rows(Protocol):
    """Samples made when they are asked for, polynomial features of a million rows, say."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of samples, then the shape of one."""
        ...

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def take(self, indices: NDArray[np.int64]) -> Floats:
        """Return the samples at `indices`, in that order: shape (len(indices), *shape of one), float32."""
        ...


def shuffled(rows: Rows, generator: np.random.Generator, chunk: int) -> NDArray[np.int64]:
    """Return the order of an epoch: as rows on disk want it, or any order with equal chance.

    Args:
        rows: with a method `order(generator, chunk)` where going through them in any order would be slow.
        generator: the only source of chance.
        chunk: so many rows are asked for at once.
    """
    order = getattr(rows, "order", None)
    order_: NDArray[np.int64] = generator.permutation(len(rows)) if order is None else order(generator, chunk)
    return order_


def by_blocks(count: int, generator: np.random.Generator, chunk: int) -> NDArray[np.int64]:
    """Return a shuffle in two levels: blocks of neighbouring rows, then the rows of as many blocks as a chunk holds.

    Up to one chunk it is the plain permutation. A chunk is read in as many places as it holds blocks.
    """
    block = max(1, min(BLOCK_ROWS, chunk // _BLOCKS))
    if count <= chunk:
        return generator.permutation(count)
    starts = np.arange(0, count, block)[generator.permutation(-(-count // block))]
    rows = (starts[:, None] + np.arange(block)).ravel()
    rows = rows[rows < count]
    for start in range(0, count, chunk):
        rows[start : start + chunk] = generator.permutation(rows[start : start + chunk])
    return rows


class ArrayRows:
    """An array as `Rows`.

    Args:
        values: shape (n, ...), converted to float32.
    """

    def __init__(self, values: NDArray[np.generic]) -> None:
        self.values: Floats = np.ascontiguousarray(values, dtype=np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of samples, then the shape of one."""
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def take(self, indices: NDArray[np.int64]) -> Floats:
        """Return the samples at `indices`, in that order."""
        return self.values[indices]


def as_rows(values: object) -> Rows:
    """Wrap an array; leave an object that already gives rows as it is.

    A frame has the same three members and another meaning for them: what can be an array is taken as one.
    """
    if not hasattr(values, "__array__") and isinstance(values, Rows):
        return values
    return ArrayRows(np.asarray(values))
