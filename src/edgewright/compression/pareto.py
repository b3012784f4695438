"""Which forms of a model no other form beats."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[Sequence[float]]) -> tuple[bool, ...]:
    """Marks points that no other beats: at least as small in every figure and smaller in one.

    Args:
        points: figures of each form, the smaller the better; equal points do not beat each other.
    """
    return tuple(not any(_beats(other, point) for other in points) for point in points)


def _beats(other: Sequence[float], point: Sequence[float]) -> bool:
    pairs = list(zip(other, point, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
