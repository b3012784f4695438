"""The two compiled programs of a network: many steps of training at once, and the forward pass.

A program is compiled once for each network, loss, optimiser and shape. The learning rate, the weight decay and the
number of steps are arguments, so a search over them, and every chunk of a large data set, runs the same program.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from itertools import accumulate
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.core.catalogue import find
from edgewright.core.errors import LayerSettingsError
from edgewright.data.targets import piece_rows
from edgewright.training.backend import compiling, jax, jnp, lax, optax, options
from edgewright.training.contract import Optimiser, Schedule, Tree
from edgewright.training.losses import GRADIENTS, LOSSES

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


Floats = NDArray[np.float32]
# (parameters, x of shape (n, ...)) -> outputs of shape (n, k). The object itself names the program: it must be the
# same object for the same network.
Apply = Callable[[Tree, Any], Any]
# One block size for predictions means one program; a few rows get a small one, and so do large ones.
BLOCK, FEW = 1024, 64
# Axes of batches of pictures. XLA runs convolutions within a loop without its library, 20 times as long: a call a step.
_PICTURES = 5
# Steps of a program: whatever the number of samples, a network has two. What is beyond the data is not run.
FEW_STEPS, MANY_STEPS = 16, 128
# Numbers in `rates`.
RATES = 7


def optimiser_named(name: str) -> Optimiser:
    """Return the optimiser of a file of `optimisers`.

    Raises:
        UnknownNameError: listing the known ones.
    """
    optimiser: Optimiser = find("edgewright.training.optimisers", name, "OPTIMISER", "optimiser", "training.optimiser")
    return optimiser


def capacity_of(steps: int, maximum: int) -> int:
    """Return for how many steps there is room in a chunk that takes at least `steps` of them, or `maximum`."""
    room = FEW_STEPS if steps <= FEW_STEPS else -(-steps // MANY_STEPS) * MANY_STEPS
    return min(room, maximum // MANY_STEPS * MANY_STEPS or maximum)


def schedule_of(optimiser: Optimiser, optimiser_name: str, schedule_name: str) -> Schedule | None:
    """Return the schedule of a name, of the optimiser for 'auto'; None where the learning rate is constant or its own.

    Raises:
        InputError: for an optimiser that takes none.
    """
    if schedule_name == "auto":
        return optimiser.schedule
    if not optimiser.takes_schedule:
        raise LayerSettingsError("schedule = 'auto'", repr(schedule_name), f"training.schedule with {optimiser_name!r}")
    return SCHEDULES[schedule_name]


class StepProgram:
    """Runs any number of optimiser steps, up to the length of its input, in one call.

    Args:
        apply: the network.
        loss_name: a name of `LOSSES`.
        optimiser_name: a file of `optimisers`.
        schedule_name: a name of `SCHEDULES`, or 'auto' for what the optimiser does by itself.
        mixup: spread of the shares in which two samples of a batch are mixed; 0 mixes none.

    Attributes:
        compile_seconds, compile_cpu_seconds: spent on compiling, so far, by the clock and by the processor.
        programs: compiled, by the shape of their batches.
    """

    def __init__(
        self, apply: Apply, loss_name: str, optimiser_name: str, schedule_name: str, mixup: float = 0.0
    ) -> None:
        self.mixup = mixup
        self.apply, self.loss, self.optimiser = apply, LOSSES[loss_name], optimiser_named(optimiser_name)
        self.schedule = schedule_of(self.optimiser, optimiser_name, schedule_name)
        self.trainable = getattr(apply, "trainable", lambda parameters: None)
        # A network with dropout is another function in training; it is told the number of the step.
        self.varied = getattr(apply, "training", None)
        self.draws = self.varied is not None or mixup > 0.0
        self.compile_seconds = self.compile_cpu_seconds = 0.0
        self.programs: dict[tuple[int, ...], Callable[..., Any]] = {}
        self._states: dict[tuple[tuple[int, ...], ...], Tree] = {}
        self._jitted = jax.jit(self._run, donate_argnums=(0, 1, 2), compiler_options=options())

    def start(self, parameters: Tree) -> tuple[Tree, Tree, Floats]:
        """Return parameters, zeros for the optimiser's state, and the four totals of an epoch.

        The state is filled by the program itself when it is told that this is the first call: filling it here
        would compile a small program for every shape.
        """
        shapes = tuple(np.shape(leaf) for leaf in jax.tree.leaves(parameters))
        if shapes not in self._states:
            self._states[shapes] = jax.eval_shape(lambda p: self._transformation(np.ones(RATES)).init(p), parameters)
        state = jax.tree.map(lambda kind: np.zeros(kind.shape, kind.dtype), self._states[shapes])
        return self.copied(parameters), state, np.zeros(4, np.float32)

    def _transformation(self, rates: Any) -> optax.GradientTransformation:  # noqa: ANN401 - an array or a tracer
        learning_rate, weight_decay, steps, _, warm_up, *_ = rates
        if self.schedule is not None:
            learning_rate = self.schedule(learning_rate, steps, warm_up, jnp)
        return self.optimiser.make(learning_rate, weight_decay, steps)

    def __call__(
        self,
        carry: tuple[Tree, Tree, Any],
        rates: Floats,
        batches: tuple[Floats, Floats, Floats],
        steps: int,
        first: bool,
    ) -> tuple[Tree, Tree, Any]:
        """Train on the first `steps` batches.

        Args:
            carry: what `start` or the last call gave; its memory is used again.
            rates: learning rate, weight decay, steps of the whole training, label smoothing, share of the steps that
                warm up, a number from the seed (below 2^24, exact in float32), steps before this call.
            batches: x of shape (capacity, batch, ...), targets and weights of shape (capacity, batch).
            steps: at most `capacity`.
            first: whether the optimiser starts now.

        Returns:
            The new carry; its totals are the weighted sum of losses, the sum of weights, right answers and samples.
        """
        length = 1 if batches[0].ndim == _PICTURES else min(len(batches[0]), MANY_STEPS)
        for start in range(0, steps, length):
            now = np.append(rates[:-1], rates[-1] + np.float32(start))
            part = [array[start : start + length] for array in batches]
            counts = np.int32(min(steps - start, length)), np.bool_(first and start == 0)
            carry = self._compiled((*carry, now, *part, *counts), part[0].shape)(*carry, now, *part, *counts)
        return carry

    def answering(self, parameters: Tree, state: Tree) -> Tree:
        """Return the parameters that answer."""
        current, changes = self.optimiser.evaluation_params(state, parameters), self.trainable(parameters)
        return (
            current if changes is None else jax.tree.map(lambda on, a, p: a if on else p, changes, current, parameters)
        )

    def copied(self, parameters: Tree) -> Tree:
        """Return a copy of parameters as NumPy arrays."""
        return jax.tree.map(lambda a: np.array(a, np.float32), parameters)

    def _compiled(self, arguments: tuple[Any, ...], shape: tuple[int, ...]) -> Callable[..., Any]:
        """Return the program for batches of this shape."""
        if shape not in self.programs:
            began, cpu_began = time.perf_counter(), time.process_time()
            with compiling():
                self.programs[shape] = self._jitted.lower(*arguments).compile()
            self.compile_seconds += time.perf_counter() - began
            self.compile_cpu_seconds += time.process_time() - cpu_began
        return self.programs[shape]

    def _run(
        self,
        parameters: Tree,
        state: Tree,
        totals: Tree,
        rates: Tree,
        x: Tree,
        y: Tree,
        w: Tree,
        steps: Tree,
        first: Tree,
    ) -> tuple[Tree, Tree, Tree]:
        smoothing, number, before = rates[3], rates[5], rates[6]
        transformation = self._transformation(rates)
        state = lax.cond(first, lambda: transformation.init(parameters), lambda: state)

        def key_of(index: Any) -> Any:  # noqa: ANN401
            return jax.random.fold_in(jax.random.key(number.astype(jnp.uint32)), before.astype(jnp.uint32) + index)

        def outputs(p: Tree, inputs: Any, index: Any) -> Any:  # noqa: ANN401
            return self.apply(p, inputs) if self.varied is None else self.varied(p, inputs, key_of(index))

        changes = self.trainable(parameters)

        def batch_loss(p: Tree, inputs: Any, targets: Any, weights: Any, index: Any) -> tuple[Any, Any]:  # noqa: ANN401
            if changes is not None:
                p = jax.tree.map(lambda on, a: a if on else lax.stop_gradient(a), changes, p)
            real = weights > 0
            if self.mixup:
                # With the sample at the other end of the shuffled batch (Zhang et al., mixup, 2018).
                share = jax.random.beta(jax.random.fold_in(key_of(index), 1), self.mixup, self.mixup)
                share = jnp.where(real & real[::-1], share, 1.0)
                wide = share.reshape(-1, *(1,) * (inputs.ndim - 1))
                raw = outputs(p, wide * inputs + (1.0 - wide) * inputs[::-1], index)
                losses, right = self.loss(jnp, raw, targets, smoothing)
                losses = share * losses + (1.0 - share) * self.loss(jnp, raw, targets[::-1], smoothing)[0]
            else:
                losses, right = self.loss(jnp, outputs(p, inputs, index), targets, smoothing)
            sums = jnp.stack([jnp.sum(losses * weights), jnp.sum(weights), jnp.sum(right & real), jnp.sum(real)])
            return sums[0] / jnp.maximum(sums[1], 1e-12), sums

        def step(index: Any, carry: tuple[Tree, Tree, Any]) -> tuple[Tree, Tree, Any]:  # noqa: ANN401
            p, s, t = carry
            inputs, targets, weights = (lax.dynamic_index_in_dim(a, index, 0, keepdims=False) for a in (x, y, w))
            gradients, sums = jax.grad(batch_loss, has_aux=True)(p, inputs, targets, weights, index)
            updates, s = transformation.update(gradients, s, p)
            if changes is not None:
                # Weight decay moves what has no gradient, too.
                updates = jax.tree.map(lambda on, u: u if on else jnp.zeros_like(u), changes, updates)
            return optax.apply_updates(p, updates), s, t + sums

        if x.ndim == _PICTURES:
            return step(0, (parameters, state, totals))
        trained: tuple[Tree, Tree, Any] = lax.fori_loop(0, steps, step, (parameters, state, totals))
        return trained


@lru_cache(maxsize=256)
def step_program(
    apply: Apply, loss_name: str, optimiser_name: str, schedule_name: str = "auto", mixup: float = 0.0
) -> StepProgram:
    """Return the program of a network, loss, optimiser, schedule and mixup, made once a process."""
    return StepProgram(apply, loss_name, optimiser_name, schedule_name, mixup)


class _Forward:
    """The compiled forward pass of a network, and the shapes it was compiled for."""

    def __init__(self, apply: Apply) -> None:
        self.jitted: Callable[[Tree, Floats], Any] = jax.jit(apply, compiler_options=options())
        self.shapes: set[tuple[int, ...]] = set()


@lru_cache(maxsize=256)
def _forward(apply: Apply) -> _Forward:
    return _Forward(apply)


@lru_cache(maxsize=64)
def _measuring(measure: Apply) -> Callable[[Tree, Floats], Tree]:
    compiled: Callable[[Tree, Floats], Tree] = jax.jit(measure, compiler_options=options())
    return compiled


def measured(measure: Apply, parameters: Tree, inputs: Floats) -> Tree:
    """Return parameters with the means and variances of samples, as NumPy arrays.

    Args:
        measure: (parameters, samples) -> parameters; the same object for the same network.
        parameters: of the network.
        inputs: shape (n, ...).
    """
    with compiling():
        return jax.tree.map(np.asarray, _measuring(measure)(parameters, inputs))


def block_of(shape: tuple[int, ...]) -> int:
    """Return how many samples of this shape are answered at once."""
    return min(BLOCK, piece_rows(4 * math.prod(shape)))


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def in_numpy() -> Iterator[None]:
    """Multiply on one thread: small products are slower with several, and the rounding of large ones changes with them.

    Numbers that overflow or are none give no warning: a loss that is none is reported with its epoch.
    """
    with _libraries().limit(limits=1), np.errstate(over="ignore", invalid="ignore"):
        yield


def forward(apply: Apply, parameters: Tree, inputs: Floats) -> Any:  # noqa: ANN401 - whatever the network gives
    """Return outputs for at most `block_of` samples of their shape, as NumPy arrays with the samples first.

    Args:
        apply: the network, or a function of the same arguments that gives a list of arrays.
        parameters: of the network.
        inputs: shape (n, ...).
    """
    if getattr(apply, "is_plain", False):
        arrays = [{name: np.asarray(array) for name, array in layer.items()} for layer in parameters]
        with in_numpy():
            return apply(arrays, inputs)
    count = len(inputs)
    block = block_of(inputs.shape[1:])
    size = min(FEW, block) if count <= FEW else block
    if count < size:
        inputs = np.concatenate([inputs, np.zeros((size - count, *inputs.shape[1:]), np.float32)])
    run = _forward(apply)
    if inputs.shape in run.shapes:
        values = run.jitted(parameters, inputs)
    else:
        with compiling():
            values = run.jitted(parameters, inputs)
        run.shapes.add(inputs.shape)
    return jax.tree.map(lambda a: np.array(np.asarray(a)[:count]), values)


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
