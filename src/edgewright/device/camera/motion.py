"""Motion against a learned background in integer arithmetic: additions, shifts and comparisons of 16-bit numbers.

The background and its usual deviation are running means by shifts, as in Wren et al., Pfinder (1997), for one Gaussian
a pixel; the light that all pixels share is taken out first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import CameraError

Bytes = NDArray[np.uint8]
Shorts = NDArray[np.int16]
# Fractional bits of the background and of the deviation: 255 << 6 fits into 16 bits.
_FRACTION = 6
# A still pixel moves the background by 1/16 of the difference; one that differs by 1/256, so who stands still stays
# visible for minutes and a car that parked becomes background.
_STILL, _MOVING = 4, 8
# A pixel moves where it differs by more than four deviations and 12 of 256 levels. Two shifts are a factor of
# four; a deviation is at most 16 levels.
_DEVIATIONS, _LEVELS, _NOISIEST, _WHITE = 2, 12 << _FRACTION, 16 << _FRACTION, 255 << _FRACTION
CELL = 4
"""Pixels of a side of a cell."""
# A cell moves where 6 of its 16 pixels do; a region has three cells or more.
_PIXELS, _CELLS = 6, 3
# Beside a region, a cell belongs to it where 4 pixels differ by two deviations and 6 levels, as dark legs before dark
# ground do; three such cells in a row at most (a threshold with hysteresis, Canny, 1986).
_WEAK_DEVIATIONS, _WEAK_LEVELS, _WEAK_PIXELS, _FURTHER = 1, 6 << _FRACTION, 4, 3
# Cells belong together across a gap of one: a head and legs before a background of the coat's brightness.
_NEAR, _NEXT = range(-2, 3), range(-1, 2)
# Where more than this many of 16 cells move, the light has changed or the camera was pushed: all is learned anew.
_WHOLE = 9
# Of the 120 rows, every fourth pixel of every fourth tells the light that all share.
_SPARSE = 4


class Region(NamedTuple):
    """Cells that move together, in pixels of the picture that was looked at: left, top, right, bottom."""

    left: int
    top: int
    right: int
    bottom: int


class Motion:
    """Finds what moves before a still camera.

    Args:
        height, width: of the pictures; pixels that fill no cell at their lower and right edge do not count.

    Raises:
        InputError: pictures of less than one cell.
    """

    def __init__(self, height: int, width: int) -> None:
        self.shape, self._cells = (height, width), (height // CELL, width // CELL)
        if not min(self._cells):
            raise CameraError(f"pictures of {CELL} pixels or more a side", f"{width} x {height}", "motion")
        seen = self._cells[0] * CELL, self._cells[1] * CELL
        self.background: Shorts = np.zeros(seen, np.int16)
        self.deviation: Shorts = np.full(seen, 2 << _FRACTION, np.int16)
        self._began = False

    def regions(self, picture: Bytes) -> list[Region]:
        """Return regions that move, the largest first, and learn the background.

        Args:
            picture: brightness, shape (height, width).
        """
        rows, columns = self._cells
        level = picture[: rows * CELL, : columns * CELL].astype(np.int16) << _FRACTION
        if not self._began:
            self.background[:], self._began = level, True
            return []
        difference = level - self.background
        sparse = difference[::_SPARSE, ::_SPARSE].ravel()
        middle = len(sparse) // 2
        light = np.partition(sparse, middle)[middle]
        self.background += light
        np.clip(self.background, 0, _WHITE, out=self.background)
        difference -= light
        size = np.abs(difference)
        moving = size > np.maximum(self.deviation << _DEVIATIONS, _LEVELS)
        active = _counted(moving) >= _PIXELS
        total = int(active.sum())
        if total * 16 > _WHOLE * active.size:
            self.background[:] = level
            return []
        weak = None
        if total >= _CELLS:
            weak = _counted(size > np.maximum(self.deviation << _WEAK_DEVIATIONS, _WEAK_LEVELS)) >= _WEAK_PIXELS
        quiet = ~moving
        self.background += np.where(quiet, difference >> _STILL, difference >> _MOVING)
        size -= self.deviation
        size >>= _STILL
        size *= quiet
        self.deviation += size
        np.minimum(self.deviation, _NOISIEST, out=self.deviation)
        return [] if weak is None else _joined(active, weak & ~active)


def _counted(pixels: NDArray[np.bool_]) -> Bytes:
    """Return how many pixels of each cell are set; the picture has whole cells."""
    rows, columns = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    # Sums of slices: a sum over two axes takes ten times as long.
    lines: Any = pixels.view(np.uint8).reshape(rows, CELL, columns * CELL)
    counts = sum(lines[:, line] for line in range(CELL)).reshape(rows, columns, CELL)
    return np.asarray(sum(counts[:, :, pixel] for pixel in range(CELL)), np.uint8)


def _cells(chosen: NDArray[np.bool_]) -> set[tuple[int, int]]:
    return set(zip(*(index.tolist() for index in np.nonzero(chosen)), strict=True))


def _joined(active: NDArray[np.bool_], weak: NDArray[np.bool_]) -> list[Region]:
    """Return the boxes of cells that belong together with the weak ones beside them, the largest group first."""
    left, dim = _cells(active), _cells(weak)
    groups: list[list[tuple[int, int]]] = []
    while left:
        group = [left.pop()]
        for row, column in group:
            near = {(row + down, column + right) for down in _NEAR for right in _NEAR} & left
            left -= near
            group.extend(near)
        groups.append(group)
    groups.sort(key=len, reverse=True)
    regions = []
    for group in groups:
        if len(group) >= _CELLS:
            edge = group
            for _ in range(_FURTHER):
                edge = list({(row + down, column + right) for row, column in edge for down in _NEXT for right in _NEXT}
                            & dim)  # fmt: skip
                dim.difference_update(edge)
                group += edge
            rows, columns = [row for row, _ in group], [column for _, column in group]
            regions.append(Region(min(columns) * CELL, min(rows) * CELL, (max(columns) + 1) * CELL,
                                  (max(rows) + 1) * CELL))  # fmt: skip
    return regions
