"""LSTM as UNIDIRECTIONAL_SEQUENCE_LSTM, whose states are variables of the file."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.integer.gates import GATE_BITS
from edgewright.export.tflite_operators import Place, writes
from edgewright.schema.graph import Array

# Gates stand in the order of ONNX; the file has input, forget, cell, output.
_ORDER = (0, 2, 3, 1)
_ABSENT = -1


@writes("lstm")
def lstm(place: Place) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, which gives every state; a SLICE takes the last one.

    A runtime keeps the states from one run to the next until it is told to reset its variables.
    """
    operator, builder, source, target = place.operator, place.builder, place.sources[0], place.target
    units = operator.arrays["recurrent"].shape[1]
    _, samples, channels = source.shape
    kind = "int8" if place.integer else "float32"
    grids = [(value.scale, value.zero) if place.integer else (None, 0) for value in (source, target)]
    window = builder.tensor((1, samples, channels), kind, *grids[0])
    every = builder.tensor((1, samples, units), kind, *grids[1])
    _reshape(place, place.inputs[0], window, (1, samples, channels))
    state = builder.tensor((1, units), kind, *grids[1], variable=True)
    cell_scale = 2.0 ** operator.numbers["cell"][0] if place.integer else None
    cell = builder.tensor((1, units), "int16" if place.integer else "float32", cell_scale, variable=True)
    weights = _gates(place, operator.arrays["weights"], "weight_scale")
    recurrent = _gates(place, operator.arrays["recurrent"], "recurrent_scale")
    bias = _gates(place, operator.arrays["bias"], "weight_scale", source.scale)
    peepholes = projection = (_ABSENT,) * 3
    inputs = (window, *weights, *recurrent, *peepholes, *bias, *projection[:2], state, cell, *(_ABSENT,) * 4)
    # Scales between the products and the gates' functions, and that of the state.
    between: tuple[int, ...] = ()
    if place.integer:
        between = tuple(builder.tensor((0,), "int16", 2.0 ** -(15 - GATE_BITS)) for _ in range(4))
        between = (*between, builder.tensor((0,), "int8", *grids[1]))
    clip = operator.numbers.get("clip", (0,))[0] * 2.0 ** operator.numbers["cell"][0]
    fields = {"fusedActivationFunction": schema.ActivationFunctionType.TANH, "cellClip": clip, "projClip": 0.0}
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    builder.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", 1, inputs, (every,), options, intermediates=between, **fields)
    if not operator.numbers["sequence"][0]:
        last = builder.tensor((1, 1, units), kind, *grids[1])
        ends = place.numbers(0, samples - 1, 0), place.numbers(1, 1, units)
        builder.operator("SLICE", place.version(1, 2), (every, *ends), (last,))
        every = last
    _reshape(place, every, place.output, (1, *target.shape))


def _reshape(place: Place, source: int, target: int, shape: tuple[int, ...]) -> None:
    place.builder.operator("RESHAPE", 1, (source, place.numbers(*shape)), (target,), newShape=list(shape))


def _gates(place: Place, array: Array, scales: str, factor: float = 1.0) -> tuple[int, ...]:
    """Add the rows of each gate with its scale; their numbers in the file's order."""
    rows = array.reshape(4, -1, *array.shape[1:])
    if not place.integer:
        return tuple(place.builder.constant(np.asarray(rows[gate], np.float32)) for gate in _ORDER)
    scale = np.asarray(place.operator.arrays[scales], np.float32) * np.float32(factor)
    return tuple(place.builder.constant(rows[gate], scale[gate]) for gate in _ORDER)
