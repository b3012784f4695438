"""Rows that need not exist whole: what the training loop reads from."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@runtime_checkable
class Rows(Protocol):
    """Samples made when they are asked for, polynomial features of a million rows, say."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of samples, then the shape of one."""
        ...

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def take(self, indices: NDArray[np.int64]) -> Floats:
        """The samples at `indices`, in that order: shape (len(indices), *shape of one), float32."""
        ...


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
        """The samples at `indices`, in that order."""
        return self.values[indices]


def as_rows(values: object) -> Rows:
    """Wraps an array; leaves an object that already gives rows as it is.

    A frame has the same three members and another meaning for them: what can be an array is taken as one.
    """
    if not hasattr(values, "__array__") and isinstance(values, Rows):
        return values
    return ArrayRows(np.asarray(values))
