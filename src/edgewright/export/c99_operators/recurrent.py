"""LSTM and GRU over windows: a state in memory, changed by every sample."""

from __future__ import annotations

import numpy as np

from edgewright.core.operators import where
from edgewright.core.operators.recurrent import SEQUENCE, WINDOW
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators.elementwise import SIGMOID
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
    unit.helper("sigmoid", SIGMOID)
    late = lstm or spot.node.attributes.get("linear_before_reset", 0)
    function = unit.helper(*(("lstm", _LSTM) if lstm else ("gru", _GRU) if late else ("gru_before", _GRU_BEFORE)))
    source, sequence = unit.stored(spot.source(0)), spot.node.attributes[WINDOW] == SEQUENCE
    leaf, steps = source.leaves[0], source.shape[2]
    target, memory = unit.fresh(spot.shape), unit.fresh((6 * units,))
    hidden = memory if sequence else target
    tables = [unit.table(np.ascontiguousarray(a), role) for a, role in
              ((weights, "weights"), (state, "recurrent"), (bias, "bias"))]  # fmt: skip
    strides = ", ".join(str(step) for step in leaf.view.strides[1:])
    x = f"{leaf.buffer.name}{f' + {leaf.offset}' if leaf.offset else ''}, {strides}"
    names = [one.leaves[0].buffer.name for one in (hidden, memory, target)]
    every = names[2] if sequence else "0"
    sizes = f"{inputs}, {units}, {steps}"
    call = f"{function}({x}, {', '.join(tables)}, {names[0]}, {names[1]} + {units}, {every}, {sizes});"
    unit.step([call], (source,), (target, memory))
    return target


_HEAD = """\
(const float *x, int channel, int sample, const float *weights, const float *recurrent,
                      const float *bias, float *state, float *rest, float *every, int inputs, int units, int steps) {
"""
_SUMS = """\
            const float *w = weights + j * inputs, *r = recurrent + j * units;
            float a = 0.0f, b = 0.0f;
            for (int i = 0; i < inputs; ++i) {
                a += w[i] * x[i * channel + t * sample];
            }
            for (int i = 0; i < units; ++i) {
                b += r[i] * state[i];
            }
"""
_LSTM = f"""\
static void @_lstm{_HEAD}\
    float *cell = rest, *gate = rest + units;
    for (int j = 0; j < units; ++j) {{
        state[j] = cell[j] = 0.0f;
    }}
    for (int t = 0; t < steps; ++t) {{
        for (int j = 0; j < 4 * units; ++j) {{
{_SUMS}\
            gate[j] = a + b + bias[j];
        }}
        for (int j = 0; j < units; ++j) {{
            cell[j] = @_sigmoid(gate[2 * units + j]) * cell[j] + @_sigmoid(gate[j]) * tanhf(gate[3 * units + j]);
            state[j] = @_sigmoid(gate[units + j]) * tanhf(cell[j]);
            if (every != 0) {{
                every[j * steps + t] = state[j];
            }}
        }}
    }}
}}"""
_GRU = f"""\
static void @_gru{_HEAD}\
    float *gate = rest, *late = rest + 3 * units;
    for (int j = 0; j < units; ++j) {{
        state[j] = 0.0f;
    }}
    for (int t = 0; t < steps; ++t) {{
        for (int j = 0; j < 3 * units; ++j) {{
{_SUMS}\
            gate[j] = a + bias[j];
            b += bias[3 * units + j];
            if (j < 2 * units) {{
                gate[j] = @_sigmoid(gate[j] + b);
            }} else {{
                late[j - 2 * units] = b;
            }}
        }}
        for (int j = 0; j < units; ++j) {{
            const float fresh = tanhf(gate[2 * units + j] + gate[units + j] * late[j]);
            state[j] = fresh + gate[j] * (state[j] - fresh);
            if (every != 0) {{
                every[j * steps + t] = state[j];
            }}
        }}
    }}
}}"""
_GRU_BEFORE = f"""\
static void @_gru_before{_HEAD}\
    float *const gate = rest, *const seen = rest + 3 * units, *const now = state;
    for (int j = 0; j < units; ++j) {{
        now[j] = 0.0f;
    }}
    for (int t = 0; t < steps; ++t) {{
        state = now;
        for (int j = 0; j < 3 * units; ++j) {{
            if (j == 2 * units) {{
                for (int i = 0; i < units; ++i) {{
                    seen[i] = @_sigmoid(gate[units + i]) * now[i];
                }}
                state = seen;
            }}
{_SUMS}\
            gate[j] = a + bias[j] + (b + bias[3 * units + j]);
        }}
        for (int j = 0; j < units; ++j) {{
            const float fresh = tanhf(gate[2 * units + j]);
            now[j] = fresh + @_sigmoid(gate[j]) * (now[j] - fresh);
            if (every != 0) {{
                every[j * steps + t] = now[j];
            }}
        }}
    }}
}}"""
