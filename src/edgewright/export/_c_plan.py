"""Which buffers may share memory: lifetimes, and offsets chosen greedily, the largest buffer first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 4
# How often other orders are tried.
_TRIES = 16


@dataclass(frozen=True)
class Lifetime:
    """A buffer from the step that first writes it to the step that last reads it.

    Attributes:
        key: number of the buffer.
        size: bytes.
        first, last: numbers of steps, both included.
    """

    key: int
    size: int
    first: int
    last: int


def plan(buffers: Sequence[Lifetime], fixed: Mapping[Lifetime, int] | None = None) -> tuple[dict[int, int], int]:
    """Byte offsets by buffer and the size of the arena.

    Buffers that live at the same time never overlap. Each is put at the lowest free offset; the largest first is
    within a few per cent of the optimum for networks (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural
    Net Inference", 2020). As long as more is taken than what lives at once, the buffer at the end is placed first the
    next time (Joslin & Clements, "Squeaky Wheel Optimization", 1999).

    Args:
        buffers: to be placed.
        fixed: offsets of buffers that lie in the arena already.
    """
    lying = dict(fixed or {})
    order = sorted(buffers, key=lambda b: (-b.size, b.first, b.key))
    wanted = max((start + _length(b) for b, start in lying.items()), default=0)
    for step in {b.first for b in order}:
        alive = (_length(b) for b in (*order, *lying) if b.first <= step <= b.last)
        wanted = max(wanted, sum(alive))
    best = _placed(order, lying)
    for _ in range(_TRIES):
        if best[1] <= wanted:
            break
        offsets, size = _placed(order, lying)
        last = next((b for b in order if offsets[b.key] + _length(b) == size), order[0])
        order = [last, *(b for b in order if b is not last)]
        best = min(best, _placed(order, lying), key=lambda made: made[1])
    return best


def _placed(order: Sequence[Lifetime], lying: Mapping[Lifetime, int]) -> tuple[dict[int, int], int]:
    """Offsets and size with every buffer at the lowest free offset, in this order."""
    placed = [(start, start + _length(other), other) for other, start in lying.items()]
    offsets = {other.key: start for other, start in lying.items()}
    for buffer in order:
        length = _length(buffer)
        offset = 0
        for start, end, other in sorted(placed, key=lambda entry: entry[0]):
            if other.first <= buffer.last and buffer.first <= other.last and start < offset + length and offset < end:
                offset = end
        placed.append((offset, offset + length, buffer))
        offsets[buffer.key] = offset
    return offsets, max((end for _, end, _ in placed), default=0)


def _length(buffer: Lifetime) -> int:
    return -(-buffer.size // ALIGNMENT) * ALIGNMENT
