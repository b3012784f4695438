"""LSTM and GRU over windows: a state in memory, changed by every sample."""

from __future__ import annotations

import numpy as np

from edgewright.core.operators import where
from edgewright.core.operators.recurrent import SEQUENCE, WINDOW
from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators.elementwise import C
from edgewright.schema.errors import InputError


@operator("LSTM", "GRU")
def recurrent(spot: Spot) -> Source:
    """Give the state after the last sample, or after every sample.

    Raises:
        InputError: for weights that are computed, or an operator that is not over windows.
    """
    unit, constants = spot.unit, spot.constants[1:4]
    if WINDOW not in spot.node.attributes or len(constants) < 3 or any(array is None for array in constants):
        raise InputError("constant weights, over a window", "others", where(spot.node))
    weights, state, bias = (np.asarray(array, np.float32)[0] for array in constants)
    units, (gates, inputs) = state.shape[1], weights.shape
    lstm = spot.node.op == "LSTM"
    if lstm:
        # Both are added to the same sums.
        bias = bias[:gates] + bias[gates:]
    unit.helper("sigmoid", C["Sigmoid"])
    late = lstm or spot.node.attributes.get("linear_before_reset", 0)
    form = "lstm" if lstm else "gru" if late else "gru_before"
    function = unit.helper(form, parts(__file__, "recurrent.c")[form])
    source, sequence = unit.stored(spot.source(0)), spot.node.attributes[WINDOW] == SEQUENCE
    leaf, steps = source.leaves[0], source.shape[2]
    target, memory = unit.fresh(spot.shape), unit.fresh((6 * units,))
    hidden = memory if sequence else target
    tables = [unit.table(np.ascontiguousarray(a), role) for a, role in
              ((weights, "weights"), (state, "recurrent"), (bias, "bias"))]  # fmt: skip
    strides = ", ".join(str(step) for step in leaf.view.strides[1:])
    x = f"{leaf.buffer.name}{f' + {leaf.offset}' if leaf.offset else ''}, {strides}"
    names = [memory_source.leaves[0].buffer.name for memory_source in (hidden, memory, target)]
    every = names[2] if sequence else "0"
    sizes = f"{inputs}, {units}, {steps}"
    call = f"{function}({x}, {', '.join(tables)}, {names[0]}, {names[1]} + {units}, {every}, {sizes});"
    unit.step([call], (source,), (target, memory))
    return target
