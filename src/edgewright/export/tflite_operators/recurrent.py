"""LSTM as UNIDIRECTIONAL_SEQUENCE_LSTM, whose states are variables of the file, and GRU, which .tflite lacks.

A GRU is written out sample by sample over shared weights, int16 within or float.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.arithmetic.gates import GATE_BITS
from edgewright.core.kernels.gru import GATE_STEP, STATE_STEP
from edgewright.export.tflite_operators import OperatorSite, writes
from edgewright.schema.graph import Array

# Gates stand in the order of ONNX; the file has input, forget, cell, output.
_ORDER = (0, 2, 3, 1)
_ABSENT = -1


@writes("lstm")
def lstm(site: OperatorSite) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, which gives every state; a SLICE takes the last one.

    A runtime keeps the states from one run to the next until it is told to reset its variables.
    """
    operator, builder, source, target = site.operator, site.builder, site.sources[0], site.target
    units = operator.arrays["recurrent"].shape[1]
    _, samples, channels = source.shape
    kind = "int8" if site.integer else "float32"
    grids = [(value.scale, value.zero) if site.integer else (None, 0) for value in (source, target)]
    window = builder.tensor((1, samples, channels), kind, *grids[0])
    every = builder.tensor((1, samples, units), kind, *grids[1])
    _reshape(site, site.inputs[0], window, (1, samples, channels))
    state = builder.tensor((1, units), kind, *grids[1], variable=True)
    cell_scale = 2.0 ** operator.numbers["cell"][0] if site.integer else None
    cell = builder.tensor((1, units), "int16" if site.integer else "float32", cell_scale, variable=True)
    weights = _gates(site, operator.arrays["weights"], "weight_scale")
    recurrent = _gates(site, operator.arrays["recurrent"], "recurrent_scale")
    bias = _gates(site, operator.arrays["bias"], "weight_scale", source.scale)
    peepholes = projection = (_ABSENT,) * 3
    inputs = (window, *weights, *recurrent, *peepholes, *bias, *projection[:2], state, cell, *(_ABSENT,) * 4)
    # Scales between the products and the gates' functions, and that of the state.
    between: tuple[int, ...] = ()
    if site.integer:
        between = tuple(builder.tensor((0,), "int16", 2.0 ** -(15 - GATE_BITS)) for _ in range(4))
        between = (*between, builder.tensor((0,), "int8", *grids[1]))
    clip = operator.numbers.get("clip", (0,))[0] * 2.0 ** operator.numbers["cell"][0]
    fields = {"fusedActivationFunction": schema.ActivationFunctionType.TANH, "cellClip": clip, "projClip": 0.0}
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    builder.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", 1, inputs, (every,), options, intermediates=between, **fields)
    if not operator.numbers["sequence"][0]:
        last = builder.tensor((1, 1, units), kind, *grids[1])
        ends = site.numbers(0, samples - 1, 0), site.numbers(1, 1, units)
        builder.operator("SLICE", site.version(1, 2), (every, *ends), (last,))
        every = last
    _reshape(site, every, site.output, (1, *target.shape))


def _reshape(site: OperatorSite, source: int, target: int, shape: tuple[int, ...]) -> None:
    site.builder.operator("RESHAPE", 1, (source, site.numbers(*shape)), (target,), newShape=list(shape))


def _gates(site: OperatorSite, array: Array, scales: str, factor: float = 1.0) -> tuple[int, ...]:
    """Add the rows of each gate with its scale; their numbers in the file's order."""
    rows = array.reshape(4, -1, *array.shape[1:])
    if not site.integer:
        return tuple(site.builder.constant(np.asarray(rows[gate], np.float32)) for gate in _ORDER)
    scale = np.asarray(site.operator.arrays[scales], np.float32) * np.float32(factor)
    return tuple(site.builder.constant(rows[gate], scale[gate]) for gate in _ORDER)


# Versions of the operators on 16 bits.
_WIDE = {"ADD": 3, "CONCATENATION": 3, "FULLY_CONNECTED": 12, "LOGISTIC": 3, "MUL": 4, "SUB": 5, "TANH": 3}
# TFLM joins no more at a time.
_JOINED = 10


@dataclass(frozen=True)
class _Draft:
    """Operators on rows of one type: 16 bits where the network is of bytes."""

    site: OperatorSite

    @property
    def kind(self) -> str:
        return "int16" if self.site.integer else "float32"

    def tensor(self, rows: int, width: int, step: float) -> int:
        return self.site.builder.tensor((rows, width), self.kind, step if self.site.integer else None)

    def step(self, name: str, inputs: tuple[int, ...], width: int, step: float, rows: int = 1, **fields: object) -> int:
        output = self.tensor(rows, width, step)
        # ADD and SUB of 16 bits shift by powers of two alone where nothing else is said.
        exact = {"potScaleInt16": False} if name in ("ADD", "SUB") else {}
        self.site.builder.operator(name, self.site.version(1, _WIDE[name]), inputs, (output,), **exact, **fields)
        return output

    def joined(self, rows: list[int], width: int, step: float) -> int:
        """Return rows one below the other."""
        parts = [(row, 1) for row in rows]
        while len(parts) > 1:
            groups = [parts[i : i + _JOINED] for i in range(0, len(parts), _JOINED)]
            parts = [
                (self.step("CONCATENATION", tuple(part for part, _ in group), width, step, count, axis=0), count)
                for group, count in ((group, sum(rows for _, rows in group)) for group in groups)
            ]
        return parts[0][0]

    def split(self, tensor: int, axis: int, count: int, width: int, step: float) -> list[int]:
        """Return the parts of a tensor along an axis, one row each."""
        parts = [self.tensor(1, width, step) for _ in range(count)]
        site, where = self.site, self.site.builder.constant(np.asarray(axis, np.int32))
        site.builder.operator("SPLIT", site.version(1, 4), (where, tensor), tuple(parts), numSplits=count)
        return parts

    def weights(self, part: int, rows: slice, step: float) -> tuple[int, int]:
        """Add weights and biases of gates, of the input (0) or the state (1), for numbers in steps of `step`.

        LiteRT multiplies sums of 64 bits by a float64: scales are such that it holds the products whole.
        """
        site, arrays = self.site, self.site.operator.arrays
        units = arrays["recurrent"].shape[1]
        own = arrays[("weights", "recurrent")[part]][rows]
        if not site.integer:
            bias = np.asarray(arrays["bias"], np.float32).reshape(2, -1)[part, rows]
            return site.builder.constant(np.asarray(own, np.float32)), site.builder.constant(bias)
        gates = slice(3 * part, 3 * part + 3)
        factor = np.ldexp(arrays["multiplier"][gates].astype(np.float64), -arrays["shift"][gates])
        scale = np.repeat(factor * GATE_STEP / step, units)[rows].astype(np.float32)
        bias = arrays[("start", "late")[part]][rows].astype(np.int64)
        return site.builder.constant(own, scale), site.builder.constant(bias, np.float32(step) * scale)


@writes("gru")
def gru(site: OperatorSite) -> None:
    """Two products for all samples of the window, and twelve operators a sample.

    The state begins as a constant: a runtime keeps nothing from run to run.
    """
    draft, operator, builder = _Draft(site), site.operator, site.builder
    units = operator.arrays["recurrent"].shape[1]
    _, samples, channels = site.sources[0].shape
    both, fresh = slice(0, 2 * units), slice(2 * units, None)
    grid = (site.sources[0].scale, site.sources[0].zero) if site.integer else (None, 0)
    rows = builder.tensor((samples, channels), "int8" if site.integer else "float32", *grid)
    _reshape(site, site.inputs[0], rows, (samples, channels))
    step = 2.0 ** np.rint(np.log2(site.sources[0].scale)) if site.integer else 0.0
    if site.integer:
        # The bytes as they are; biases have the zero point of the input in them, and weights its scale.
        raw, rows = rows, draft.tensor(samples, channels, step)
        builder.operator("CAST", 1, (raw,), (rows,))
    coming = []
    for part, width in ((both, 2 * units), (fresh, units)):
        product = draft.step("FULLY_CONNECTED", (rows, *draft.weights(0, part, step)), width, GATE_STEP, samples)
        coming.append(draft.split(product, 0, samples, width, GATE_STEP))
    to_gates, to_fresh = (draft.weights(1, part, STATE_STEP) for part in (both, fresh))
    state, every, before = _zeros(site, units), [], operator.numbers.get("before", (0,))[0]
    for first, second in zip(*coming, strict=True):
        own = draft.step("FULLY_CONNECTED", (state, *to_gates), 2 * units, GATE_STEP)
        sums = draft.step("ADD", (first, own), 2 * units, GATE_STEP)
        opened = draft.step("LOGISTIC", (sums,), 2 * units, STATE_STEP)
        kept, seen = draft.split(opened, 1, 2, units, STATE_STEP)
        if before:
            own = draft.step("MUL", (seen, state), units, STATE_STEP)
            own = draft.step("FULLY_CONNECTED", (own, *to_fresh), units, GATE_STEP)
        else:
            own = draft.step("FULLY_CONNECTED", (state, *to_fresh), units, GATE_STEP)
            own = draft.step("MUL", (seen, own), units, GATE_STEP)
        candidate = draft.step("ADD", (second, own), units, GATE_STEP)
        candidate = draft.step("TANH", (candidate,), units, STATE_STEP)
        rest = draft.step(
            "SUB", (candidate, draft.step("MUL", (kept, candidate), units, STATE_STEP)), units, STATE_STEP
        )
        state = draft.step("ADD", (rest, draft.step("MUL", (kept, state), units, STATE_STEP)), units, STATE_STEP)
        every.append(state)
    given = every if operator.numbers["sequence"][0] else every[-1:]
    state = draft.joined(given, units, STATE_STEP)
    if site.integer:
        wide, state = state, builder.tensor((len(given), units), "int8", site.target.scale, site.target.zero)
        builder.operator("QUANTIZE", 2, (wide,), (state,))
    _reshape(site, state, site.output, (1, *site.target.shape))


def _zeros(site: OperatorSite, units: int) -> int:
    zeros: Array = np.zeros((1, units), np.int16 if site.integer else np.float32)
    return site.builder.constant(zeros, np.asarray(STATE_STEP, np.float32) if site.integer else None)
