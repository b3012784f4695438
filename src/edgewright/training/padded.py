"""Many dense networks of different widths trained through one compiled program: widths are filled up with zeros.

A unit whose weights and bias are zero gives ReLU(0) = 0, and as the weights after it are zero too, no gradient reaches
it: it stays zero under every optimiser here, weight decay included, so nothing has to be masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.training.backend import jnp
from edgewright.training.contract import Tree
from edgewright.training.loop import Result, Sampled, Settings, train
from edgewright.training.program import Apply

Floats = NDArray[np.float32]
Layers = Sequence[dict[str, Floats]]
# Layers are filled up to these widths, so that the next sweep finds its programs compiled.
SHARED, WIDTHS = 64, (96, 128, 192, 256)


def fit_padded(start: Layers, samples: Sampled, settings: Settings) -> Result:
    """Train a dense network with ReLU between its layers; its parameters come back without the filling.

    Networks of the same depth, inputs, outputs, loss, optimiser, schedule and batch share programs: one for all whose
    layers have at most 64 units.

    Args:
        start: of each layer, `weights` of shape (inputs, units) and `bias` (units,), where training begins; the output
            layer last.
        samples: what is fitted, each of shape (inputs,).
        settings: how.

    Raises:
        InputError: a loss that is no longer a number, or settings that do not go together.
    """
    own = (len(start[0]["weights"]), *(layer["weights"].shape[1] for layer in start))
    inputs, *hidden, outputs = own
    sizes = (inputs, *([filled_width(max(hidden, default=1))] * len(hidden)), outputs)
    result = train(_network(sizes), filled_up(start, sizes), samples, settings)
    return replace(result, parameters=cropped(result.parameters, own))


def filled_width(width: int) -> int:
    """Return the width a layer is filled up to.

    Below 64 units a step costs calls and not arithmetic: one program for all of them is cheaper than a second
    compilation. Above, the next of 96, 128, 192, 256 and multiples of 128.
    """
    if width <= SHARED:
        return SHARED
    return next((w for w in WIDTHS if width <= w), -(-width // 128) * 128)


def filled_up(parameters: Layers, sizes: Sequence[int]) -> list[dict[str, Floats]]:
    """Return the parameters of a network with zeros around them."""
    arrays = []
    for layer, (inputs, units) in zip(parameters, pairwise(sizes), strict=True):
        (a, b), missing = layer["weights"].shape, units - len(layer["bias"])
        weights = np.pad(layer["weights"], ((0, inputs - a), (0, units - b)))
        arrays.append({"weights": weights, "bias": np.pad(layer["bias"], (0, missing))})
    return arrays


def cropped(parameters: Tree, sizes: Sequence[int]) -> list[dict[str, Floats]]:
    """Return the parameters of a network without what its widths were filled up with."""
    return [
        {"weights": np.ascontiguousarray(layer["weights"][:a, :b]), "bias": np.array(layer["bias"][:b])}
        for layer, (a, b) in zip(parameters, pairwise(sizes), strict=True)
    ]


@lru_cache(maxsize=64)
def _network(sizes: tuple[int, ...]) -> Apply:
    """Return a dense network; the same object for the same sizes, so that its programs are compiled once a process."""
    del sizes

    def apply(parameters: Tree, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        for number, layer in enumerate(parameters):
            x = x @ layer["weights"] + layer["bias"]
            if number < len(parameters) - 1:
                x = jnp.maximum(x, 0.0)
        return x

    return apply
