"""From the map of a detector to objects: cells above a threshold, neighbours of a class together, their centre.

All arithmetic is on integers but for the first step, one difference and one product of float32, so that generated C
finds the same objects from the same map (docs/adr/0077-objects-in-pictures.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.objects import FoundObject, ObjectMap

METADATA = "edgewright.objects"
"""Where a graph keeps its `ObjectMap`."""
# Log-odds are counted in sixteenths and held between -8 and nearly 8.
UNIT, LOWEST, HIGHEST = 16, -128, 127
GOOD, ODD = "good", "odd"
"""What a picture is whose map has no cell, or one, at the threshold of a model of odd pictures."""
MAPPED = ("detection", "anomaly")
"""Tasks whose answer is a map."""
_CELLS = 1 << 14


def read_objects(metadata: Mapping[str, str]) -> ObjectMap | None:
    """Return how the map of a graph is read; None for a graph that finds no objects.

    Raises:
        InputError: it is damaged.
    """
    text = metadata.get(METADATA)
    if text is None:
        return None
    try:
        spec = msgspec.json.decode(text, type=ObjectMap)
    except msgspec.DecodeError as error:
        raise InputError("how a map of objects is read", str(error), f"metadata {METADATA}") from None
    return checked_objects(spec, f"metadata {METADATA}")


def checked_objects(spec: ObjectMap, where: str) -> ObjectMap:
    """Return how a map is read, checked.

    Raises:
        InputError: sizes or a threshold that make no sense.
    """
    sizes = (spec.rows, spec.columns, spec.height, spec.width, spec.max_objects, len(spec.labels))
    if min(sizes) < 1 or spec.rows * spec.columns > _CELLS or max(sizes) > _CELLS or len(spec.labels) > 255:
        raise InputError("a map of objects of sensible size", str(sizes), where)
    if not LOWEST < spec.threshold <= HIGHEST:
        raise InputError(f"a threshold above {LOWEST}, at most {HIGHEST}", str(spec.threshold), where)
    return spec


def heat(maps: Floats, spec: ObjectMap) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the likeliest object of each cell and its log-odds against the background in 1/16.

    Args:
        maps: logits, shape (n, rows * columns * (1 + labels)), cell after cell.
        spec: how they are read.

    Returns:
        Numbers of labels and log-odds, shape (n, rows, columns); a value that is no number counts as the lowest.
    """
    cells = maps.reshape(len(maps), spec.rows, spec.columns, 1 + len(spec.labels))
    kinds = cells[..., 1:].argmax(axis=3)
    best = np.take_along_axis(cells[..., 1:], kinds[..., None], axis=3)[..., 0]
    with np.errstate(invalid="ignore"):
        odds = np.clip(best - cells[..., 0], np.float32(LOWEST / UNIT), np.float32(HIGHEST / UNIT))
    odds = np.where(np.isnan(odds), np.float32(LOWEST / UNIT), odds)
    return kinds, (odds * np.float32(UNIT) + np.float32(0.5 - 2 * LOWEST)).astype(np.int64) + 2 * LOWEST


def oddest(maps: Floats, spec: ObjectMap) -> NDArray[np.int64]:
    """Return the largest log-odds of the cells of each map in 1/16, shape (n,); arguments as of `heat`."""
    return np.asarray(heat(maps, spec)[1].max(axis=(1, 2)))


def odd_chances(scores: NDArray[np.int64], spec: ObjectMap) -> Floats:
    """Return shares of 'good' and 'odd' by the distance from the threshold, shape (n, 2); 'odd' leads with an alarm.

    Args:
        scores: as `oddest` gives them.
        spec: how the maps are read.
    """
    above = (scores - spec.threshold + 0.5) / UNIT
    odd = 1.0 / (1.0 + np.exp(-above))
    return np.stack([1.0 - odd, odd], axis=1).astype(np.float32)


def find_objects(maps: Floats, spec: ObjectMap) -> list[tuple[FoundObject, ...]]:
    """Return the objects of each map, the surest first.

    Args:
        maps: as of `heat`.
        spec: how they are read.
    """
    kinds, odds = heat(maps, spec)
    return [objects_in(kind, sure, spec) for kind, sure in zip(kinds, odds, strict=True)]


def objects_in(kinds: NDArray[np.int64], odds: NDArray[np.int64], spec: ObjectMap) -> tuple[FoundObject, ...]:
    """Return the objects of one map: cells at or above the threshold that touch, corners too, and have one label.

    The centre is the mean of the cells' centres, each weighted by its log-odds over the threshold plus one. Of equal
    scores the object comes first whose first cell does, row by row.

    Args:
        kinds: label of each cell, shape (rows, columns).
        odds: of each cell, shape (rows, columns).
        spec: threshold, sizes and how many are kept.
    """
    open_cells = {(int(r), int(c)): int(odds[r, c]) for r, c in np.argwhere(odds >= spec.threshold)}
    objects: list[FoundObject] = []
    while open_cells:
        first = next(iter(open_cells))
        label = int(kinds[first])
        weights = _take(open_cells, first, kinds)
        total = sum(odds - spec.threshold + 1 for odds in weights.values())
        across = sum((odds - spec.threshold + 1) * (2 * c + 1) for (_, c), odds in weights.items())
        down = sum((odds - spec.threshold + 1) * (2 * r + 1) for (r, _), odds in weights.items())
        x, y = _middle(across, total, spec.width, spec.columns), _middle(down, total, spec.height, spec.rows)
        objects.append(FoundObject(label=label, x=x, y=y, score=max(weights.values())))
    return tuple(sorted(objects, key=lambda item: -item.score)[: spec.max_objects])


def _take(
    open_cells: dict[tuple[int, int], int], first: tuple[int, int], kinds: NDArray[np.int64]
) -> dict[tuple[int, int], int]:
    """Take a cell and all of its label that it touches, directly or through others, and return their log-odds."""
    cells = {first: open_cells.pop(first)}
    waiting = [first]
    while waiting:
        row, column = waiting.pop()
        for near in ((row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)):
            if near in open_cells and kinds[near] == kinds[first]:
                cells[near] = open_cells.pop(near)
                waiting.append(near)
    return cells


def _middle(weighted: int, total: int, pixels: int, cells: int) -> int:
    """Return a mean of odd half cells in pixels, halves up, within the picture."""
    return min((2 * weighted * pixels + 2 * cells * total) // (4 * cells * total), pixels - 1)


def refuse_objects(task: str, where: str) -> None:
    """Refuse a model or pipeline that finds objects where only a class or a number is understood.

    Raises:
        InputError: the task is 'detection' or 'anomaly'.
    """
    if task in MAPPED:
        raise InputError(
            "a task with one answer a sample (classification, regression)", f"task = {task!r}", where,
            "Use edgewright run, predict, prove, score, estimate or export",
        )  # fmt: skip


def probability(score: int) -> float:
    """Return log-odds in 1/16 as a probability against the background."""
    return 1.0 / (1.0 + math.exp(-score / UNIT))
