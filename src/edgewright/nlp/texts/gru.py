"""A gated recurrent unit over characters (Cho et al., 2014): int8 weights, one scale a row; states are floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.texts.contract import SYMBOLS, Codes, Floats

MATRICES = ("inputs", "states", "outputs")
"""Shapes (96, 3 units), (3 units, units) and (96, units): update, reset and new state, as in the layer `gru`."""
VECTORS = ("bias", "state_bias", "output_bias")
_STREAMS, _WARM = 64, 64


class GruModel:
    """A recurrent network.

    Args:
        arrays: `NAME` int8 and `NAME_scale` float32, one a row, of `MATRICES`; float32 of `VECTORS`.
    """

    kind = "gru"

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        inputs, states, outputs = (arrays[name] * arrays[f"{name}_scale"][:, None] for name in MATRICES)
        self._inputs, self._states, self._outputs = inputs + arrays["bias"], states.T, outputs.T
        self._state_bias, self._output_bias = arrays["state_bias"], arrays["output_bias"]
        self.units = states.shape[1]
        self.parameters = sum(arrays[name].size for name in (*MATRICES, *VECTORS))
        self.bytes = sum(array.nbytes for array in arrays.values())

    def start(self) -> NDArray[np.float32]:
        """Return a state of zeros."""
        return np.zeros((1, self.units), np.float32)

    def step(self, state: NDArray[np.float32], symbol: int) -> NDArray[np.float32]:
        """Return the state after one more symbol."""
        return self._steps(state, np.array([symbol]))

    def probabilities(self, state: NDArray[np.float32]) -> Floats:
        """Return the probability of every symbol, shape (96,)."""
        logits = (state @ self._outputs + self._output_bias)[0].astype(np.float64)
        powers = np.exp(logits - logits.max())
        shares: Floats = powers / powers.sum()
        return shares

    def bits(self, codes: Codes) -> float:
        """Return the bits per byte; a long text is cut in 64 streams, each after the 64 symbols before it."""
        streams = _STREAMS if len(codes) > _STREAMS * _WARM else 1
        length = -(-len(codes) // streams)
        begins = np.arange(streams) * length
        state = np.zeros((streams, self.units), np.float32)
        total = 0.0
        for index in range(-_WARM if streams > 1 else 0, length):
            at = begins + index
            inside = (at >= 0) & (at < len(codes))
            symbols = codes[np.clip(at, 0, len(codes) - 1)]
            if index >= 0:
                logits = (state @ self._outputs + self._output_bias).astype(np.float64)
                logits -= logits.max(axis=1, keepdims=True)
                logs = logits[np.arange(streams), symbols] - np.log(np.exp(logits).sum(axis=1))
                total -= float(logs[inside].sum()) / float(np.log(2))
            state = np.where(inside[:, None], self._steps(state, symbols), state)
        return total / len(codes)

    def _steps(self, state: NDArray[np.float32], symbols: NDArray[Any]) -> NDArray[np.float32]:
        units, gates, own = self.units, self._inputs[symbols], state @ self._states
        both = _sigmoid(gates[:, : 2 * units] + own[:, : 2 * units])
        kept, seen = both[:, :units], both[:, units:]
        fresh = np.tanh(gates[:, 2 * units :] + seen * (own[:, 2 * units :] + self._state_bias))
        states: NDArray[np.float32] = (fresh + kept * (state - fresh)).astype(np.float32)
        return states


def _sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    values: NDArray[Any] = 0.5 * (1 + np.tanh(0.5 * x))
    return values


def check_shapes(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether arrays of a file are those of a network."""
    try:
        units = arrays["states"].shape[1]
        shapes = {"inputs": (SYMBOLS, 3 * units), "states": (3 * units, units), "outputs": (SYMBOLS, units),
                  "bias": (3 * units,), "state_bias": (units,), "output_bias": (SYMBOLS,)}  # fmt: skip
        return all(arrays[name].shape == shape for name, shape in shapes.items()) and all(
            arrays[f"{name}_scale"].shape == (shapes[name][0],) for name in MATRICES
        )
    except (KeyError, IndexError):
        return False
