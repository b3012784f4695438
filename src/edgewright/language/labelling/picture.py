"""A window of sensor values in characters, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 64


def bars(data: bytes, columns: Sequence[str]) -> Iterator[str]:
    """Yield a line a channel: name, least and largest value, and the mean of each of at most 64 parts as a bar.

    Args:
        data: float32, channels first.
        columns: names of the channels.
    """
    values = np.frombuffer(data, np.float32).reshape(len(columns), -1)
    widest = max(len(name) for name in columns)
    for name, row in zip(columns, values, strict=True):
        known = row[np.isfinite(row)]
        if not len(known):
            yield f"  {name:<{widest}} all missing"
            continue
        low, high = float(known.min()), float(known.max())
        if len(row) == 1:
            yield f"  {name:<{widest}} {low:.6g}"
            continue
        means = [part[np.isfinite(part)] for part in np.array_split(row, min(_WIDTH, len(row)))]
        span = (high - low) or 1.0
        drawn = "".join(
            "?" if not len(part) else _BARS[1 + round(7 * (float(part.mean()) - low) / span)] for part in means
        )
        yield f"  {name:<{widest}} {low:>9.4g} {drawn} {high:.4g}"
