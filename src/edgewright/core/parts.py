"""Many samples a part at a time, so that what a network holds meanwhile stays within megabytes."""

from __future__ import annotations

import math
from collections.abc import Iterator

# Values of layers take some times the memory of the samples themselves.
_BYTES = 32 * 2**20


def parts(shape: tuple[int, ...], maximum: int = 4096) -> Iterator[slice]:
    """Yield slices that follow one another; one, which is empty, where there are no samples.

    Args:
        shape: of the samples, their number first.
        maximum: samples in a part.
    """
    step = max(1, min(maximum, _BYTES // (4 * max(1, math.prod(shape[1:])))))
    for start in range(0, max(1, shape[0]), step):
        yield slice(start, min(start + step, shape[0]))
