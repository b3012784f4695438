"""Learning rates over the steps of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

Schedule = Callable[[Any], Any]
# Where the one-cycle schedule begins and ends, as shares of the learning rate (Smith and Topin, Super-Convergence,
# 2018, with the shares that became usual since).
CYCLE_START, CYCLE_END = 1.0 / 25.0, 1.0 / 250_000.0


def constant(learning_rate: Any, steps: Any, warm_up: Any) -> Schedule:  # noqa: ANN401 - a number or a tracer
    """The same learning rate in every step, after a linear warm-up over the first `warm_up` of `steps`."""
    return lambda count: learning_rate * jnp.minimum((count + 1.0) / jnp.maximum(warm_up * steps, 1.0), 1.0)


def one_cycle(learning_rate: Any, steps: Any, warm_up: Any) -> Schedule:  # noqa: ANN401 - a number or a tracer
    """Up along half a cosine over the first `warm_up` of `steps`, then down to nearly nothing along another."""
    peak = warm_up * steps

    def schedule(count: Any) -> Any:  # noqa: ANN401
        rising = _between(CYCLE_START, 1.0, count / jnp.maximum(peak, 1e-6))
        falling = _between(1.0, CYCLE_END, (count - peak) / jnp.maximum(steps - peak, 1.0))
        return learning_rate * jnp.where(count < peak, rising, falling)

    return schedule


def _between(start: float, end: float, done: Any) -> Any:  # noqa: ANN401
    """From `start` to `end` along half a cosine, as `done` goes from 0 to 1."""
    return end + (start - end) * 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.clip(done, 0.0, 1.0)))


# By the words of `training.schedule`; 'auto' leaves the learning rate to the optimiser.
SCHEDULES: dict[str, Callable[[Any, Any, Any], Schedule]] = {"constant": constant, "one_cycle": one_cycle}
