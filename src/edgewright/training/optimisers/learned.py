"""A learned rule (as VeLO, Metz et al., 2022): small networks, taught by trainings, set each step; no learning rate.

They mix the directions of Adam (Kingma and Ba, 2015), Adafactor (Shazeer and Stern, 2018) and SOAP (Vyas et al., 2024).
`learned.npy` has the weights; docs/research/models.md describes how they were trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.training.backend import jax, jnp, lax, optax
from edgewright.training.contract import Optimiser, Tree

Floats = NDArray[np.float32]
# Axes of more entries have no basis of their own: the work of a basis grows with the cube of its entries.
MAX_BASIS = 96
# A basis is renewed in each of the first steps, then in every so manieth.
_EACH, _EVERY = 8, 4
_EPSILON, _KEEPS, _ROUNDING = 1e-8, 1e-4, 1e-3
# Decay of the statistics of a basis, and of how well steps and the gradients after them agree.
_BASIS_DECAY, _AGREE_FAST, _AGREE_SLOW = 0.95, 0.8, 0.97
# Size of a step that the rule scales, and the limits of the logarithm of its factor: exp(-6) to exp(4).
_STEP, _LOW, _HIGH = 4e-3, -6.0, 4.0
# A weight moves at most so many sizes of a step.
_LONGEST = 4.0
_CONTEXT, _WEIGHT_UNITS = 2, 4
_DIRECTIONS, _TENSOR_FEATURES, _WEIGHT_FEATURES = 5, 28, 10
# Layers of the network that sees a tensor, and of the one that sees a weight.
SIZES = ((_TENSOR_FEATURES, 1 + _DIRECTIONS + _CONTEXT), (_WEIGHT_FEATURES + _CONTEXT, _WEIGHT_UNITS, 2))
# Three decays, then the weights and biases of the networks.
_DECAYS = (0.9, 0.98, 0.98)
COUNT = len(_DECAYS) + sum((a + 1) * b for sizes in SIZES for a, b in pairwise(sizes))


class State(NamedTuple):
    """Steps so far, and the statistics of each tensor."""

    count: Any
    tensors: tuple[dict[str, Any], ...]


@cache
def trained() -> Floats:
    """Return the weights of the file beside this one."""
    weights: Floats = np.load(Path(__file__).with_name("learned.npy"), allow_pickle=False)
    return weights


def _unpacked(flat: Any) -> tuple[Any, list[list[tuple[Any, Any]]]]:  # noqa: ANN401 - an array or a tracer
    """Return the decays, and the layers of both networks."""
    offsets = np.log(np.array(_DECAYS) / (1.0 - np.array(_DECAYS)))
    decays, start, networks = jax.nn.sigmoid(flat[: len(_DECAYS)] + offsets), len(_DECAYS), []
    for sizes in SIZES:
        layers = []
        for inputs, units in pairwise(sizes):
            weights = flat[start : start + inputs * units].reshape(inputs, units)
            start += inputs * units
            layers.append((weights, flat[start : start + units]))
            start += units
        networks.append(layers)
    return decays, networks


def _answers(layers: Sequence[tuple[Any, Any]], x: Any) -> Any:  # noqa: ANN401
    """Return what a network answers for x of shape (..., inputs)."""
    for weights, bias in layers[:-1]:
        x = jnp.tanh(x @ weights + bias)
    weights, bias = layers[-1]
    return x @ weights + bias


def _axes(shape: tuple[int, ...]) -> list[int]:
    return [axis for axis, length in enumerate(shape) if 1 < length <= MAX_BASIS]


def _turned(x: Any, bases: dict[str, Any], axes: Sequence[int], *, back: bool) -> Any:  # noqa: ANN401
    """Return a tensor in the bases of its axes, or back from them."""
    for axis in axes:
        basis = bases[f"basis{axis}"]
        x = jnp.moveaxis(jnp.tensordot(x, basis.T if back else basis, axes=(axis, 0)), -1, axis)
    return x


def _mean(x: Any, real: Any) -> Any:  # noqa: ANN401
    """Return the mean over the weights that have had a gradient: a filled-up network learns as one that is not."""
    return jnp.sum(jnp.where(real, x, 0.0)) / jnp.maximum(jnp.sum(real), 1.0)


def _rms(x: Any, real: Any) -> Any:  # noqa: ANN401
    return jnp.sqrt(_mean(x * x, real))


def _agreement(a: Any, b: Any) -> Any:  # noqa: ANN401
    """Return the cosine of the angle between two tensors."""
    size = jnp.sqrt(jnp.sum(a * a) * jnp.sum(b * b))
    return jnp.sum(a * b) / (size + 1e-20)


def _started(parameter: Any) -> dict[str, Any]:  # noqa: ANN401
    zeros = jnp.zeros_like(parameter)
    state: dict[str, Any] = dict.fromkeys(("fast", "slow", "square", "turned_square", "last"), zeros)
    state |= {name: jnp.zeros(()) for name in ("scale", "agree_fast", "agree_slow")}
    for axis in _axes(np.shape(parameter)):
        length = np.shape(parameter)[axis]
        state |= {f"spread{axis}": jnp.zeros((length, length)), f"basis{axis}": jnp.eye(length)}
    return state


def rule(flat: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Return the rule with these weights.

    Args:
        flat: weights, shape (COUNT,).
        weight_decay: decoupled, in sizes of a step.
        steps: of the whole training.
    """
    decays, (tensor_network, weight_network) = _unpacked(flat)

    def init(parameters: Tree) -> State:
        return State(jnp.zeros(()), tuple(_started(leaf) for leaf in jax.tree.leaves(parameters)))

    def update(gradients: Tree, state: State, parameters: Tree = None) -> tuple[Tree, State]:
        count = state.count + 1.0
        leaves, structure = jax.tree.flatten(gradients)
        weights = jax.tree.leaves(parameters)
        observed = [
            _observed(gradient, weight, old, count, decays)
            for gradient, weight, old in zip(leaves, weights, state.tensors, strict=True)
        ]
        clock = _clock(count, steps)
        own = jnp.stack([features for _, _, features in observed])
        shared = jnp.mean(own[:, :4], axis=0)
        moves, tensors = [], []
        for (tensor, directions, features), weight in zip(observed, weights, strict=True):
            answers = _answers(tensor_network, jnp.concatenate([features, shared, clock]))
            move, size = _move(answers, directions, weight, weight_network)
            size = size * _course(count, steps)
            real = tensor["square"] > 0.0
            change = jnp.where(real, -size * (move + weight_decay * weight), 0.0)
            moves.append(change)
            tensors.append(tensor | {"last": jnp.where(real, move, 0.0)})
        return jax.tree.unflatten(structure, moves), State(count, tuple(tensors))

    return optax.GradientTransformation(init, update)


def _course(count: Any, steps: Any) -> Any:  # noqa: ANN401
    """Rise over the first fiftieth of the steps, then fall along a line."""
    done = jnp.minimum((count - 1.0) / steps, 1.0)
    return jnp.minimum(count / (0.02 * steps + 1.0), 1.0) * (1.0 - done) + 1e-3


def _clock(count: Any, steps: Any) -> Any:  # noqa: ANN401
    """Return what is known of the time, 9 features."""
    done = jnp.minimum(count / steps, 1.0)
    since = [jnp.tanh(count / tau - 1.0) for tau in (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)]
    return jnp.stack([2.0 * done - 1.0, done * done, 0.3 * jnp.log(steps) - 1.5, *since])


def _observed(gradient: Any, weight: Any, old: dict[str, Any], count: Any, decays: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """Return new statistics of a tensor, directions of the step of size about 1, and 15 features."""
    axes = _axes(gradient.shape)
    largest = jnp.max(jnp.abs(gradient))
    size = largest * _rms(gradient / jnp.where(largest > 0.0, largest, 1.0), gradient != 0.0)
    scale = jnp.where(old["scale"] > 0.0, old["scale"], size)
    gradient = gradient / jnp.where(scale > 0.0, scale, 1.0)
    new, means = {"scale": scale}, ("fast", "slow", "square")
    for name, value, decay in zip(means, (gradient, gradient, gradient**2), decays, strict=True):
        new[name] = decay * old[name] + (1.0 - decay) * value
    for axis in axes:
        others = [other for other in range(gradient.ndim) if other != axis]
        product = jnp.tensordot(gradient, gradient, axes=(others, others))
        spread = _BASIS_DECAY * old[f"spread{axis}"] + (1.0 - _BASIS_DECAY) * product
        new[f"spread{axis}"] = spread
        due = (count <= _EACH) | (jnp.mod(count, _EVERY) == 0.0)
        basis = old[f"basis{axis}"]
        # Where nothing is spread a direction stays: without this term, rounding would choose it.
        image = spread @ basis + _KEEPS * jnp.trace(spread) * basis
        new[f"basis{axis}"] = lax.cond(due, lambda i=image: jnp.linalg.qr(i)[0], lambda b=basis: b)
    real = new["square"] > 0.0
    number = jnp.maximum(jnp.sum(real), 1.0)
    outputs = jnp.maximum(jnp.sum(jnp.any(real, axis=tuple(range(real.ndim - 1)))), 1.0)
    fast, slow, square = (new[name] / (1.0 - decay**count) for name, decay in zip(means, decays, strict=True))
    turned = [_turned(part, new, axes, back=False) for part in (gradient, fast, slow)]
    new["turned_square"] = decays[2] * old["turned_square"] + (1.0 - decays[2]) * turned[0] ** 2
    root = jnp.sqrt(new["turned_square"] / (1.0 - decays[2] ** count))
    # A gradient of low rank has nothing but rounding in the other directions.
    root = root + _ROUNDING * _rms(root, real) + _EPSILON
    soap = [_turned(part / root, new, axes, back=True) for part in turned]
    plain = jnp.sqrt(square) + _EPSILON
    adam, raw = fast / plain, gradient / plain
    mean = _mean(square, real)
    factored = fast * _factored(square, real, mean)
    directions = (soap[1], soap[0], soap[2], adam, factored, raw, plain / (jnp.sqrt(mean) + _EPSILON))
    follow = _agreement(gradient, old["last"])
    new["agree_fast"] = _AGREE_FAST * old["agree_fast"] + (1.0 - _AGREE_FAST) * follow
    new["agree_slow"] = _AGREE_SLOW * old["agree_slow"] + (1.0 - _AGREE_SLOW) * follow
    features = jnp.stack(
        [
            3.0 * new["agree_fast"] / (1.0 - _AGREE_FAST**count),
            3.0 * new["agree_slow"] / (1.0 - _AGREE_SLOW**count),
            _log(_rms(fast, real) / (jnp.sqrt(mean) + _EPSILON)),
            _log(_rms(slow, real) / (jnp.sqrt(mean) + _EPSILON)),
            _log(_rms(gradient, real) / (jnp.sqrt(mean) + _EPSILON)),
            _log(_rms(soap[1], real)),
            _log(_rms(adam, real)),
            _log(_rms(weight, real)),
            _log(mean) * 0.5,
            _agreement(soap[1], adam),
            0.3 * jnp.log(number) - 1.5,
            0.5 * jnp.log(number / outputs),
            jnp.float32(gradient.ndim == 1),
            jnp.float32(gradient.ndim > 2),
            jnp.float32(len(axes) - gradient.ndim),
        ]
    )
    return new, directions, features


def _log(x: Any) -> Any:  # noqa: ANN401
    return jnp.clip(jnp.log(x + 1e-6), -5.0, 5.0) * 0.5


def _factored(square: Any, real: Any, mean: Any) -> Any:  # noqa: ANN401
    """Return one by the root of the squares, taken as a product of the means over each axis."""
    if square.ndim < 2:
        return 1.0 / (jnp.sqrt(square) + _EPSILON)
    kept = jnp.where(real, square, 0.0)
    product = 1.0 / jnp.maximum(mean, 1e-30) ** (square.ndim - 1)
    for axis in range(square.ndim):
        others = tuple(other for other in range(square.ndim) if other != axis)
        number = jnp.maximum(jnp.sum(real, axis=others, keepdims=True), 1.0)
        product = product * jnp.sum(kept, axis=others, keepdims=True) / number
    return 1.0 / (jnp.sqrt(product) + _EPSILON)


def _move(answers: Any, directions: tuple[Any, ...], weight: Any, weight_network: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Return the direction of a tensor's step and its size."""
    soap, soap_now, soap_slow, adam, factored, raw, plain = directions
    shares = answers[1 : 1 + _DIRECTIONS]
    shares = shares.at[0].add(1.0)
    main = sum(share * part for share, part in zip(shares, directions, strict=False))
    size = _STEP * jnp.exp(jnp.clip(answers[0], _LOW, _HIGH))
    context = jnp.broadcast_to(answers[1 + _DIRECTIONS :], (*weight.shape, _CONTEXT))
    magnitude = jnp.abs(weight)
    own = jnp.stack(
        [
            soap,
            soap_now,
            soap_slow,
            adam,
            factored,
            raw,
            weight / (magnitude + 0.1),
            _log(magnitude),
            _log(plain),
            jnp.sign(weight) * jnp.sign(adam),
        ],
        axis=-1,
    )
    corrections = _answers(weight_network, jnp.concatenate([jnp.clip(own, -3.0, 3.0), context], axis=-1))
    factor = jnp.exp(jnp.clip(corrections[..., 1], -2.0, 2.0))
    move = main * factor + 0.5 * corrections[..., 0]
    return jnp.clip(move, -_LONGEST, _LONGEST), size


def make(learning_rate: Any, weight_decay: Any, steps: Any) -> optax.GradientTransformation:  # noqa: ANN401
    """Return the trained rule, which needs no learning rate; its steps end near zero."""
    del learning_rate
    return rule(trained(), weight_decay, steps)


OPTIMISER = Optimiser(make=make, needs_learning_rate=False, takes_schedule=False)
