"""Columns of a frame, which an estimator takes by name, whatever their order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.samples import Frame, require_columns


def column_names(X: Any) -> NDArray[np.object_] | None:  # noqa: ANN401 - arrays and frames
    """Names of the columns of a frame, shape (columns,); None for anything without a text name for every column."""
    if not isinstance(X, Frame):
        return None
    names = list(X.columns)
    return np.asarray(names, dtype=object) if names and all(isinstance(name, str) for name in names) else None


def select_fitted_columns(estimator: Any, X: Any) -> Any:  # noqa: ANN401 - arrays and frames
    """The columns that an estimator was fitted on, in that order; anything else than a frame with names as it is.

    Args:
        estimator: with `feature_names_in_` where it was fitted on a frame.
        X: samples.

    Raises:
        InputError: naming the columns that are not there.
    """
    fitted, given = getattr(estimator, "feature_names_in_", None), column_names(X)
    if fitted is None or given is None or np.array_equal(fitted, given):
        return X
    wanted = [str(name) for name in fitted]
    require_columns(list(given), wanted)
    return X[wanted]
