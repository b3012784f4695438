"""Training steps in NumPy, for small trainings: nothing is compiled, and JAX is not imported.

Which program trains depends on the network, the settings and the number of samples alone, so that the same training
gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.training.losses import GRADIENTS, LOSSES
from edgewright.training.program import in_numpy, optimiser_named, schedule_of

Floats = NDArray[np.float32]
Layers = list[dict[str, Floats]]
Carry = tuple[Layers, list[Any], Floats]
# CPU seconds in NumPy up to which a training is small: importing JAX and compiling take as long.
SMALL_S = 2.0
# CPU seconds of a step: for its calls in each layer and in the optimiser, and for each multiplication and addition.
_LAYER_S, _OPTIMISER_S, _OPERATION_S = 15e-6, 20e-6, 1 / 50e9

_COMPILES: ContextVar[bool] = ContextVar("compiles", default=False)


@contextmanager
def always_compiled() -> Iterator[None]:
    """Compile every training of a block: their times are compared, and one program takes them all."""
    token = _COMPILES.set(True)
    try:
        yield
    finally:
        _COMPILES.reset(token)


def is_small(apply: Any, loss: str, optimiser: str, parameters: Any, steps: int, batch: int) -> bool:  # noqa: ANN401
    """Return whether NumPy trains a network: it knows all derivatives, and the training is short.

    Args:
        apply: the network.
        loss: a name of `LOSSES`.
        optimiser: a file of `optimisers`.
        parameters: of the network.
        steps: of the whole training.
        batch: samples of a step.
    """
    if (
        _COMPILES.get()
        or not getattr(apply, "is_plain", False)
        or loss not in GRADIENTS
        or optimiser_named(optimiser).step is None
    ):
        return False
    # Forwards, and backwards to parameters and to samples.
    operations = 6 * batch * sum(array.size for layer in parameters for array in layer.values())
    step_s: float = len(parameters) * _LAYER_S + _OPTIMISER_S + operations * _OPERATION_S
    return steps * step_s <= SMALL_S


class NumpyProgram:
    """Runs optimiser steps; methods, arguments and results are those of `StepProgram`."""

    draws = False
    compile_seconds = compile_cpu_seconds = 0.0

    def __init__(self, apply: Any, loss_name: str, optimiser_name: str, schedule_name: str) -> None:  # noqa: ANN401
        self.apply, self.loss, self.gradient = apply, LOSSES[loss_name], GRADIENTS[loss_name]
        self.optimiser = optimiser_named(optimiser_name)
        self.schedule = schedule_of(self.optimiser, optimiser_name, schedule_name)

    def start(self, parameters: Layers) -> Carry:
        """Return a copy of the parameters, the optimiser's moments and steps so far, and four totals."""
        size = sum(array.size for layer in parameters for array in layer.values())
        return self.copied(parameters), [np.zeros((2, size), np.float32), np.array(0)], np.zeros(4, np.float32)

    def __call__(
        self, carry: Carry, rates: Floats, batches: tuple[Floats, Floats, Floats], steps: int, first: bool
    ) -> Carry:
        """Train on the first `steps` batches."""
        del first  # the moments are zeros
        (moments, before), count = carry[1], int(carry[1][1])
        flat, own = _flat(carry[0])
        gradients, into = _flat(carry[0])
        learning_rate, decay, whole, smoothing, warm_up, *_ = (float(rate) for rate in rates)
        numbers = np.arange(count, count + steps)
        rate = np.full(steps, learning_rate)
        if self.schedule is not None:
            rate = self.schedule(learning_rate, whole, warm_up, np)(numbers)
        update, raw = self.optimiser.step, []
        assert update is not None  # noqa: S101 - `is_small`
        with in_numpy():
            for number, step_rate, x, y, w in zip(numbers.tolist(), rate.tolist(), *batches, strict=False):
                values = [x, *self.apply.values(own, x)]
                raw.append(values[-1])
                of_y = self.gradient(values[-1], y, smoothing)
                of_y *= (w / max(w.sum(), 1e-12))[:, None]
                self.apply.gradient(own, values, of_y, into)
                update(flat, gradients, moments, number, step_rate, decay)
            targets, weights = (part[:steps].reshape(-1) for part in batches[1:])
            losses, right = self.loss(np, np.concatenate(raw), targets, np.float32(smoothing))
            real = weights > 0
            totals = [np.sum(losses * weights), np.sum(weights), np.sum(right & real), np.sum(real)]
        return own, [moments, before + steps], carry[2] + np.array(totals, np.float32)

    def answering(self, parameters: Layers, state: list[Any]) -> Layers:
        """Return the parameters that answer, which are those that are trained."""
        del state
        return parameters

    def copied(self, parameters: Layers) -> Layers:
        """Return a copy of parameters."""
        return _flat(parameters)[1]


def _flat(parameters: Layers) -> tuple[Floats, Layers]:
    """Return a copy of all parameters as one array, and views of it as they were."""
    arrays = [layer[name] for layer in parameters for name in sorted(layer)]  # the order of JAX
    flat = np.concatenate([array.ravel() for array in arrays]).astype(np.float32)
    ends = list(accumulate(array.size for array in arrays))
    views = iter([flat[end - a.size : end].reshape(a.shape) for a, end in zip(arrays, ends, strict=True)])
    return flat, [{name: next(views) for name in sorted(layer)} for layer in parameters]
