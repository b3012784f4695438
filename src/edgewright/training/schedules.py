"""Learning rates as functions of the step, written once for NumPy and JAX."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

from edgewright.training.contract import Schedule

# Where the one-cycle schedule begins and ends, as shares of the learning rate (Smith and Topin, Super-Convergence,
# 2018, with the shares that became usual since).
CYCLE_START, CYCLE_END = 1.0 / 25.0, 1.0 / 250_000.0


def constant(learning_rate: Any, steps: Any, warm_up: Any, xp: ModuleType) -> Any:  # noqa: ANN401
    """Return the same learning rate in every step, after a linear warm-up over the first `warm_up` of `steps`."""
    return lambda count: learning_rate * xp.minimum((count + 1.0) / xp.maximum(warm_up * steps, 1.0), 1.0)


def one_cycle(learning_rate: Any, steps: Any, warm_up: Any, xp: ModuleType) -> Any:  # noqa: ANN401
    """Up along half a cosine over the first `warm_up` of `steps`, then down to nearly nothing along another."""
    peak = warm_up * steps

    def schedule(count: Any) -> Any:  # noqa: ANN401
        rising = _between(CYCLE_START, 1.0, count / xp.maximum(peak, 1e-6), xp)
        falling = _between(1.0, CYCLE_END, (count - peak) / xp.maximum(steps - peak, 1.0), xp)
        return learning_rate * xp.where(count < peak, rising, falling)

    return schedule


def _between(start: float, end: float, done: Any, xp: ModuleType) -> Any:  # noqa: ANN401
    """From `start` to `end` along half a cosine, as `done` goes from 0 to 1."""
    return end + (start - end) * 0.5 * (1.0 + xp.cos(math.pi * xp.clip(done, 0.0, 1.0)))


def cosine(learning_rate: Any, steps: Any, warm_up: Any, xp: ModuleType) -> Any:  # noqa: ANN401
    """Down to zero along half a cosine over `steps`; a small network gains most from its last, small steps."""
    del warm_up
    return lambda count: learning_rate * 0.5 * (1.0 + xp.cos(math.pi * xp.minimum(count / steps, 1.0)))


# By the words of `training.schedule`; 'auto' is that of the optimiser.
SCHEDULES: dict[str, Schedule] = {"constant": constant, "one_cycle": one_cycle}
