"""Many dense networks of different widths trained through one compiled program: widths are filled up with zeros.

A unit whose weights and bias are zero gives ReLU(0) = 0, and as the weights after it are zero too, no gradient reaches
it: it stays zero under every optimiser here, weight decay included, so nothing has to be masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.trace import EpochRecord
from edgewright.training.contract import Tree
from edgewright.training.loop import Result, Sampled, Settings, train

Floats = NDArray[np.float32]
Layers = Sequence[dict[str, Floats]]
# Told of every epoch of every network, by its place among the members; training of that network ends at True.
OnNetworkEpoch = Callable[[int, EpochRecord], bool | None]
# Layers are filled up to these widths, so that the next sweep finds its programs compiled.
SHARED, WIDTHS = 64, (96, 128, 192, 256)


@dataclass(frozen=True)
class Member:
    """A dense network with ReLU between its layers, and what it is trained on.

    Attributes:
        start: of each layer, `weights` of shape (inputs, units) and `bias` (units,), where training begins; the output
            layer last.
        samples: what is fitted, each of shape (inputs,).
        settings: how.
        validation: samples that are watched and stop its training early; never fitted on.
    """

    start: Layers
    samples: Sampled
    settings: Settings
    validation: Sampled | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, the widths of the layers, outputs."""
        return (len(self.start[0]["weights"]), *(layer["weights"].shape[1] for layer in self.start))


def fit_padded(members: Sequence[Member], *, on_epoch: OnNetworkEpoch | None = None) -> list[Result]:
    """Trains all members, one after another.

    Args:
        members: networks with their samples and settings. Those of the same depth, inputs, outputs, loss, optimiser,
            schedule and batch share programs: one for all whose layers have at most 64 units.
        on_epoch: told of every epoch of every network; a network for which it answers True is trained no further.

    Returns:
        For each member what `training.loop.train` gives, its parameters without the filling.

    Raises:
        InputError: a loss that is no longer a number, or settings that do not go together.
    """
    return list(fitted_padded(members, on_epoch=on_epoch))


def fitted_padded(members: Sequence[Member], *, on_epoch: OnNetworkEpoch | None = None) -> Iterator[Result]:
    """As `fit_padded`, each network's result as soon as it is trained."""
    shared = _shared_sizes(members)
    for number, (member, sizes) in enumerate(zip(members, shared, strict=True)):
        told = None if on_epoch is None else _for_one(on_epoch, number)
        start = filled_up(member.start, sizes)
        result = train(
            _network(sizes), start, member.samples, member.settings, validation=member.validation, on_epoch=told
        )
        yield replace(result, parameters=cropped(result.parameters, member.sizes))


def _for_one(on_epoch: OnNetworkEpoch, number: int) -> Callable[[EpochRecord], bool | None]:
    return lambda record: on_epoch(number, record)


def _shared_sizes(members: Sequence[Member]) -> list[tuple[int, ...]]:
    """Of each member the sizes it is filled up to: every hidden layer as wide as its widest may have to be."""
    made = []
    for member in members:
        inputs, *hidden, outputs = member.sizes
        width = filled_width(max(hidden, default=1))
        made.append((inputs, *([width] * len(hidden)), outputs))
    return made


def filled_width(width: int) -> int:
    """The width a layer is filled up to.

    Below 64 units a step costs calls and not arithmetic: one program for all of them is cheaper than a second
    compilation. Above, the next of 96, 128, 192, 256 and multiples of 128.
    """
    if width <= SHARED:
        return SHARED
    return next((w for w in WIDTHS if width <= w), -(-width // 128) * 128)


def filled_up(parameters: Layers, sizes: Sequence[int]) -> list[dict[str, Floats]]:
    """The parameters of a network with zeros around them."""
    made = []
    for layer, (inputs, units) in zip(parameters, pairwise(sizes), strict=True):
        weights, bias = np.zeros((inputs, units), np.float32), np.zeros(units, np.float32)
        weights[: len(layer["weights"]), : layer["weights"].shape[1]] = layer["weights"]
        bias[: len(layer["bias"])] = layer["bias"]
        made.append({"weights": weights, "bias": bias})
    return made


def cropped(parameters: Tree, sizes: Sequence[int]) -> list[dict[str, Floats]]:
    """The parameters of a network without what its widths were filled up with."""
    return [
        {"weights": np.ascontiguousarray(layer["weights"][:a, :b]), "bias": np.array(layer["bias"][:b])}
        for layer, (a, b) in zip(parameters, pairwise(sizes), strict=True)
    ]


class _Padded:
    """A dense network of given sizes with ReLU between its layers: (n, inputs) -> raw outputs (n, k)."""

    def __call__(self, parameters: Tree, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        for number, layer in enumerate(parameters):
            x = x @ layer["weights"] + layer["bias"]
            if number < len(parameters) - 1:
                x = jnp.maximum(x, 0.0)
        return x


@lru_cache(maxsize=64)
def _network(sizes: tuple[int, ...]) -> _Padded:
    """The same object for the same sizes, so that its programs are compiled once a process."""
    del sizes
    return _Padded()
