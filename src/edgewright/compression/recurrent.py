"""Weights of operators with a state as integers: one scale a gate, and the step of the cell.

docs/adr/0073-recurrent-layers.md and docs/adr/0078-int8-gru.md have the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.section import Section
from edgewright.compression.weights import to_integers, watch
from edgewright.core.kernels.gru import STATE_STEP
from edgewright.core.operators.recurrent import CELL, WINDOW
from edgewright.schema.graph import Array, Graph, Node

# Attribute of an LSTM that says the exponent of its cell's step, and the least and largest: its tanh knows 0 to 6 bits
# above the point.
STEP = "cell"
_FINEST, _COARSEST = -15, -9


def cell_steps(graph: Graph, section: Section, calibration: NDArray[Any]) -> tuple[Graph, Section]:
    """Return graph and section with the step of the cell in every LSTM: the finest power of two that holds its cells.

    Args:
        graph: float; an LSTM that names its step already keeps it.
        section: its network.
        calibration: samples as they arrive at the graph's input.
    """
    wanted = [node for node in section.inside if node.op == "LSTM" and STEP not in node.attributes]
    if not wanted:
        return graph, section
    extra = {f"{node.outputs[0]}.cell": node for node in wanted}
    watched = [
        msgspec.structs.replace(node, outputs=(name,), attributes={**node.attributes, WINDOW: CELL})
        for name, node in extra.items()
    ]
    ranges = watch(
        msgspec.structs.replace(graph, nodes=(*graph.nodes, *watched)), tuple(extra), calibration, "minmax", 100.0
    )
    steps = {node.outputs[0]: _exponent(max(map(abs, ranges[name]))) for name, node in extra.items()}

    def with_step(node: Node) -> Node:
        exponent = steps.get(node.outputs[0])
        if exponent is None:
            return node
        return msgspec.structs.replace(node, attributes={**node.attributes, STEP: exponent})

    nodes = tuple(map(with_step, graph.nodes))
    return msgspec.structs.replace(graph, nodes=nodes), _with(section, with_step)


def _with(section: Section, change: Any) -> Section:  # noqa: ANN401 - of a node
    return Section(section.before, tuple(map(change, section.inside)), section.after, section.start, section.end)


def _exponent(largest: float) -> int:
    wanted = math.ceil(math.log2(max(largest, 1e-30) / (2**15 - 1)))
    return min(max(wanted, _FINEST), _COARSEST)


def gates_to_integers(
    op: str, arrays: Sequence[Array], input_scale: np.float32, output_scale: np.float32, levels: int
) -> list[tuple[Array, Array]]:
    """Round weights, weights of the state and bias of an operator; one scale a gate.

    Args:
        op: LSTM or GRU.
        arrays: as ONNX has them, one direction: (1, gates, inputs), (1, gates, units), (1, 2 gates).
        input_scale: of the window.
        output_scale: of what comes out, which is the state of an LSTM; a GRU's has 16 bits.
        levels: see `quantise`.

    Returns:
        Integers and scales of each, a scale for each row along axis 1.
    """
    weights, state, bias = (np.asarray(array, np.float32)[0] for array in arrays)
    units = state.shape[1]
    first, late = bias.reshape(2, -1).copy()
    # The reset gate of a GRU lets the state's bias of the new state through; all others are added to the same sums.
    apart = 2 * units if op == "GRU" else len(late)
    first[:apart] += late[:apart]
    late[:apart] = 0
    state_scale = np.float32(STATE_STEP) if op == "GRU" else output_scale
    made: list[list[Array]] = [[], [], [], [], [], []]
    for start in range(0, len(weights), units):
        rows = slice(start, start + units)
        coming = to_integers(weights[rows], first[rows], 0, input_scale, "never", levels=levels)
        held = to_integers(state[rows], late[rows], 0, state_scale, "never", levels=levels)
        assert coming.bias is not None and held.bias is not None  # noqa: S101 - a bias went in
        made[0].append(coming.weights)
        made[1].append(held.weights)
        made[2].append(coming.bias)
        made[3].append(np.repeat(coming.scale, units))
        made[4].append(np.repeat(held.scale, units))
        made[5].append(held.bias)
    scale, held_scale = np.concatenate(made[3]), np.concatenate(made[4])
    both = np.concatenate([*made[2], *made[5]])
    bias_scale = np.concatenate([np.float32(input_scale) * scale, np.float32(state_scale) * held_scale])
    return [
        (np.concatenate(made[0])[None], scale),
        (np.concatenate(made[1])[None], held_scale),
        (both[None], bias_scale.astype(np.float32)),
    ]
