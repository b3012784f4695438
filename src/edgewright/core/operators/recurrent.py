"""LSTM and GRU in one direction.

Inside a graph they stand over windows: with the attribute `window` they take (n, channels, samples) and give
(n, units) after the 'last' sample, or (n, units, samples) as a 'sequence'. Without it they are those of the standard,
time first; `core/onnx/recurrent.py` leads from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewright.core.operators import Function, operator, where
from edgewright.core.operators._attributes import integer, text
from edgewright.core.operators.activation import sigmoid
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node

# (inputs of the gates of a step, recurrent weights, their bias, states) -> states; the first is what comes out.
Step = Callable[[Array, Array, Array, tuple[Array, ...]], tuple[Array, ...]]
WINDOW = "window"
LAST, SEQUENCE = "last", "sequence"
# What finding ranges looks at: the cells of an LSTM after every sample.
CELL = "cell"
# Inputs from the fifth on: lengths of sequences, first states, peepholes.
_PLAIN_INPUTS = 4


def refusal(node: Node) -> str:
    """Say what of a node is beyond one direction, first states of 0 and the usual activations; empty where nothing."""
    attributes = node.attributes
    if text(node, "direction", "forward") != "forward":
        return f"direction {attributes['direction']!r}"
    if "clip" in attributes or "activations" in attributes or integer(node, "input_forget", 0):
        return "clip, input_forget or other activations"
    if integer(node, "layout", 0):
        return "layout = 1"
    if any(name for index, name in enumerate(node.inputs) if index >= _PLAIN_INPUTS):
        return "lengths of sequences, first states or peepholes"
    return ""


def _lstm(coming: Array, recurrent: Array, bias: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
    hidden, cell = states
    units = hidden.shape[1]
    gates = coming + hidden @ recurrent + bias
    opened, shown, kept = (sigmoid(gates[:, n * units : (n + 1) * units]) for n in range(3))
    cell = kept * cell + opened * np.tanh(gates[:, 3 * units :])
    return shown * np.tanh(cell), cell


def _gru(coming: Array, recurrent: Array, bias: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
    (hidden,) = states
    units = hidden.shape[1]
    own = hidden @ recurrent + bias
    kept, seen = (sigmoid((coming + own)[:, n * units : (n + 1) * units]) for n in range(2))
    fresh = np.tanh(coming[:, 2 * units :] + seen * own[:, 2 * units :])
    return (fresh + kept * (hidden - fresh),)


def _gru_before(coming: Array, recurrent: Array, bias: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
    (hidden,) = states
    units = hidden.shape[1]
    both = coming[:, : 2 * units] + hidden @ recurrent[:, : 2 * units] + bias[: 2 * units]
    kept, seen = (sigmoid(both[:, n * units : (n + 1) * units]) for n in range(2))
    own = (seen * hidden) @ recurrent[:, 2 * units :] + bias[2 * units :]
    fresh = np.tanh(coming[:, 2 * units :] + own)
    return (fresh + kept * (hidden - fresh),)


# By `linear_before_reset`: 1 where the reset comes after the product with the state, as PyTorch and Keras have it, 0
# where before, as of old.
GRU_STEPS: dict[int, Step] = {1: _gru, 0: _gru_before}


def _factory(step: Step, count: int, node: Node) -> Function:
    reason = refusal(node)
    if reason:
        raise InputError(f"{node.op} forward in time, from a state of 0", reason, where(node))
    window = text(node, WINDOW, "")
    first = 1 if not node.outputs[0] else 0

    def run(x: Array, weights: Array, recurrent: Array, bias: Array | None = None, *_: Array | None) -> Array:
        x = x.transpose(2, 0, 1) if window else x
        units, gates = recurrent.shape[2], weights.shape[1]
        late = np.zeros(2 * gates, x.dtype) if bias is None else bias[0]
        coming = x @ weights[0].T + late[:gates]
        turned = np.ascontiguousarray(recurrent[0].T)
        states: tuple[Array, ...] = tuple(np.zeros((x.shape[1], units), x.dtype) for _ in range(count))
        every = np.empty((len(x), x.shape[1], units), x.dtype)
        for index, gate in enumerate(coming):
            states = step(gate, turned, late[gates:], states)
            every[index] = states[-1 if window == CELL else 0]
        if window:
            return np.ascontiguousarray(every.transpose(1, 2, 0)) if window != LAST else states[0]
        return states[0][None] if first else every[:, None]

    return run


@operator("LSTM")
def lstm(node: Node, constants: Sequence[Array | None]) -> Function:
    """i, o, f = sigmoid(W x + R h + b), c = f c + i tanh(Wc x + Rc h + bc), h = o tanh(c)."""
    return _factory(_lstm, 2, node)


@operator("GRU")
def gru(node: Node, constants: Sequence[Array | None]) -> Function:
    """z, r = sigmoid(W x + R h + b), n = tanh(Wn x + bn + r (Rn h + cn)), h = (1 - z) n + z h.

    Without `linear_before_reset`, n = tanh(Wn x + bn + Rn (r h) + cn).
    """
    return _factory(GRU_STEPS[integer(node, "linear_before_reset", 0)], 1, node)
