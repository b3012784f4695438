"""GRU, which .tflite has no operator for: written out sample by sample over shared weights, int16 within or float."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewright.core.kernels.gru import GATE_STEP, STATE_STEP
from edgewright.export.tflite_operators import Place, writes
from edgewright.schema.graph import Array

# Versions of the operators on 16 bits.
_WIDE = {"ADD": 3, "CONCATENATION": 3, "FULLY_CONNECTED": 12, "LOGISTIC": 3, "MUL": 4, "SUB": 5, "TANH": 3}
# TFLM joins no more at a time.
_JOINED = 10


@dataclass(frozen=True)
class _Draft:
    """Operators on rows of one type: 16 bits where the network is of bytes."""

    place: Place

    @property
    def kind(self) -> str:
        return "int16" if self.place.integer else "float32"

    def tensor(self, rows: int, width: int, step: float) -> int:
        return self.place.builder.tensor((rows, width), self.kind, step if self.place.integer else None)

    def step(self, name: str, inputs: tuple[int, ...], width: int, step: float, rows: int = 1, **fields: object) -> int:
        made = self.tensor(rows, width, step)
        # ADD and SUB of 16 bits shift by powers of two alone where nothing else is said.
        exact = {"potScaleInt16": False} if name in ("ADD", "SUB") else {}
        self.place.builder.operator(name, self.place.version(1, _WIDE[name]), inputs, (made,), **exact, **fields)
        return made

    def joined(self, rows: list[int], width: int, step: float) -> int:
        """Return rows one below the other."""
        parts = [(row, 1) for row in rows]
        while len(parts) > 1:
            groups = [parts[i : i + _JOINED] for i in range(0, len(parts), _JOINED)]
            parts = [
                (self.step("CONCATENATION", tuple(one for one, _ in group), width, step, count, axis=0), count)
                for group, count in ((group, sum(rows for _, rows in group)) for group in groups)
            ]
        return parts[0][0]

    def split(self, tensor: int, axis: int, count: int, width: int, step: float) -> list[int]:
        """Return the parts of a tensor along an axis, one row each."""
        parts = [self.tensor(1, width, step) for _ in range(count)]
        place, where = self.place, self.place.builder.constant(np.asarray(axis, np.int32))
        place.builder.operator("SPLIT", place.version(1, 4), (where, tensor), tuple(parts), numSplits=count)
        return parts

    def weights(self, part: int, rows: slice, step: float) -> tuple[int, int]:
        """Add weights and biases of gates, of the input (0) or the state (1), for numbers in steps of `step`.

        LiteRT multiplies sums of 64 bits by a float64: scales are such that it holds the products whole.
        """
        place, arrays = self.place, self.place.operator.arrays
        units = arrays["recurrent"].shape[1]
        own = arrays[("weights", "recurrent")[part]][rows]
        if not place.integer:
            bias = np.asarray(arrays["bias"], np.float32).reshape(2, -1)[part, rows]
            return place.builder.constant(np.asarray(own, np.float32)), place.builder.constant(bias)
        gates = slice(3 * part, 3 * part + 3)
        factor = np.ldexp(arrays["multiplier"][gates].astype(np.float64), -arrays["shift"][gates])
        scale = np.repeat(factor * GATE_STEP / step, units)[rows].astype(np.float32)
        bias = arrays[("start", "late")[part]][rows].astype(np.int64)
        return place.builder.constant(own, scale), place.builder.constant(bias, np.float32(step) * scale)


@writes("gru")
def gru(place: Place) -> None:
    """Two products for all samples of the window, and twelve operators a sample.

    The state begins as a constant: a runtime keeps nothing from run to run.
    """
    draft, operator, builder = _Draft(place), place.operator, place.builder
    units = operator.arrays["recurrent"].shape[1]
    _, samples, channels = place.sources[0].shape
    both, fresh = slice(0, 2 * units), slice(2 * units, None)
    grid = (place.sources[0].scale, place.sources[0].zero) if place.integer else (None, 0)
    rows = builder.tensor((samples, channels), "int8" if place.integer else "float32", *grid)
    _reshape(place, place.inputs[0], rows, (samples, channels))
    step = 2.0 ** np.rint(np.log2(place.sources[0].scale)) if place.integer else 0.0
    if place.integer:
        # The bytes as they are; biases have the zero point of the input in them, and weights its scale.
        raw, rows = rows, draft.tensor(samples, channels, step)
        builder.operator("CAST", 1, (raw,), (rows,))
    coming = []
    for part, width in ((both, 2 * units), (fresh, units)):
        product = draft.step("FULLY_CONNECTED", (rows, *draft.weights(0, part, step)), width, GATE_STEP, samples)
        coming.append(draft.split(product, 0, samples, width, GATE_STEP))
    to_gates, to_fresh = (draft.weights(1, part, STATE_STEP) for part in (both, fresh))
    state, every, before = _zeros(place, units), [], operator.numbers.get("before", (0,))[0]
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
        made = draft.step("ADD", (second, own), units, GATE_STEP)
        made = draft.step("TANH", (made,), units, STATE_STEP)
        rest = draft.step("SUB", (made, draft.step("MUL", (kept, made), units, STATE_STEP)), units, STATE_STEP)
        state = draft.step("ADD", (rest, draft.step("MUL", (kept, state), units, STATE_STEP)), units, STATE_STEP)
        every.append(state)
    given = every if operator.numbers["sequence"][0] else every[-1:]
    state = draft.joined(given, units, STATE_STEP)
    if place.integer:
        wide, state = state, builder.tensor((len(given), units), "int8", place.target.scale, place.target.zero)
        builder.operator("QUANTIZE", 2, (wide,), (state,))
    _reshape(place, state, place.output, (1, *place.target.shape))


def _zeros(place: Place, units: int) -> int:
    zeros: Array = np.zeros((1, units), np.int16 if place.integer else np.float32)
    return place.builder.constant(zeros, np.asarray(STATE_STEP, np.float32) if place.integer else None)


def _reshape(place: Place, source: int, target: int, shape: tuple[int, ...]) -> None:
    place.builder.operator("RESHAPE", 1, (source, place.numbers(*shape)), (target,), newShape=list(shape))
