"""Numbers that mean missing, such as -9999, become missing values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.schema.data import Column, Floats


def without_sentinels(values: Floats, columns: Sequence[Column]) -> Floats:
    """Return values in which the sentinels of each column are NaN; the same array where there are none.

    Args:
        values: shape (n, columns) or (n, channels, samples).
        columns: of `values`; `missing_values` holds the sentinels of each.
    """
    marked = values
    for index, column in enumerate(columns):
        if not column.missing_values:
            continue
        absent = np.isin(values[:, index], np.array(column.missing_values, np.float32))
        if absent.any():
            marked = values.copy() if marked is values else marked
            marked[:, index][absent] = np.nan
    return marked
