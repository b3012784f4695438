"""Long lines for a screen: the least and the largest value of every column of pixels, so that no peak is lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats

Places = NDArray[np.float64]


def thin(values: Floats, columns: int) -> tuple[Places, Floats]:
    """At most two values a column.

    Args:
        values: shape (n,), NaN where one is missing.
        columns: of pixels.

    Returns:
        Place of each kept value among the given, and the values: all of them where there are at most `2 * columns`,
        else least and largest of each column, in turn, so that lines between columns stay short. A column is NaN
        where all its values are missing.
    """
    n = len(values)
    if n <= 2 * columns:
        return np.arange(n, dtype=np.float64), values
    edges = np.linspace(0, n, columns + 1).astype(np.int64)
    low, high = np.fmin.reduceat(values, edges[:-1]), np.fmax.reduceat(values, edges[:-1])
    pairs = np.stack([low, high], axis=1)
    pairs[1::2] = pairs[1::2, ::-1]
    width = np.diff(edges)
    places = edges[:-1, None] + width[:, None] * np.array([0.25, 0.75])
    return places.reshape(-1), pairs.reshape(-1)


def path(x: Places, y: Places | Floats) -> str:
    """Points as the `d` of an SVG path; a NaN breaks the line, and a point alone is a dot.

    Args:
        x, y: shape (n,), in units of the drawing.
    """
    parts: list[str] = []
    drawing = False
    known = np.isfinite(y)
    for place, value, there in zip(np.round(x, 1).tolist(), np.round(y, 1).tolist(), known.tolist(), strict=True):
        if not there:
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{place:g} {value:g}" + ("" if drawing else "h.1"))
        drawing = True
    return "".join(parts)
