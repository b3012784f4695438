"""Tables of the functions of one byte that LiteRT has an operator for, as its reference kernels give them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic.requantise import divide_by_power, half_away, quantise_multiplier, twice
from edgewright.core.integer.tables import BYTES
from edgewright.graph.from_tflite_file import Operator
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerValue

# Bits that hard_swish adds to a byte before it multiplies in 16 bits.
_HIGH_BITS = 7
_SHORT_MAX = 2**15 - 1


def table_of(operator: Operator, source: IntegerValue, target: IntegerValue) -> NDArray[np.int8] | None:
    """Return the table of an operator, an entry for each of `BYTES`; None where there is no such function.

    Args:
        operator: of the file, with its options.
        source: grid before.
        target: grid after.
    """
    x = BYTES.astype(np.int64) - source.zero
    if operator.name == "HARD_SWISH":
        steps = _hard_swish(x, np.float32(source.scale), np.float32(target.scale))
    elif operator.name == "LEAKY_RELU":
        ratio = np.float32(source.scale) / np.float32(target.scale)
        below = np.float32(source.scale) * np.float32(alpha_of(operator)) / np.float32(target.scale)
        steps = np.where(x >= 0, twice(x, *quantise_multiplier(ratio)), twice(x, *quantise_multiplier(below)))
    elif operator.name in _OF_REALS or operator.name == "GELU":
        function = _gelu(operator) if operator.name == "GELU" else _OF_REALS[operator.name]
        reals = np.float32(source.scale) * x.astype(np.float32)
        with np.errstate(all="ignore"):
            values = function(reals.astype(np.float64)).astype(np.float32)
            steps = half_away(values * (np.float32(1) / np.float32(target.scale)))
        steps = np.nan_to_num(steps, nan=-512.0, neginf=-512.0, posinf=512.0).clip(-512, 512)
    else:
        return None
    return np.asarray(np.clip(steps + target.zero, -128, 127), np.int8)


def alpha_of(operator: Operator) -> float:
    """Return the slope of a LEAKY_RELU below 0."""
    return 0.0 if operator.options is None else operator.options.value(0, "f32")


def _gelu(operator: Operator) -> Callable[[Array], Array]:
    if operator.option(0, "u8"):
        slope = math.sqrt(2 / math.pi)
        return lambda x: 0.5 * x * (1 + np.tanh(slope * (x + 0.044715 * x**3)))
    return lambda x: 0.5 * x * (1 + np.asarray([math.erf(v / math.sqrt(2)) for v in x]))


_OF_REALS: dict[str, Callable[[Array], Array]] = {
    "ELU": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "EXP": np.exp,
    "LOG": np.log,
    "TANH": np.tanh,
}


def _hard_swish(x: NDArray[np.int64], scale: np.float32, target: np.float32) -> NDArray[np.int64]:
    """X * relu6(x + 3) / 6 in 16 bits: the gate is a number from 0 to 2**15."""
    fine = scale * np.float32(1 / 128)
    (output, down), (gate, up) = (_short(factor) for factor in (fine / target, fine / np.float32(3 / 32768)))
    raised = x << _HIGH_BITS
    opened = raised
    if up > 0:
        opened = np.clip(opened << (up - 1), -_SHORT_MAX - 1, _SHORT_MAX)
    opened = _high(opened, gate)
    opened = np.clip(opened << 1, -_SHORT_MAX - 1, _SHORT_MAX) if up > 0 else divide_by_power(opened, -up)
    product = ((opened + 2**15) >> 1) * _high(raised, output)
    # What is left over is cut off towards zero.
    shown = np.sign(product) * (np.abs(product) >> 15)
    return np.asarray(divide_by_power(shown, -down), np.int64)


def _short(factor: np.float32) -> tuple[int, int]:
    """Return a factor as a multiplier of 15 bits and a power of two."""
    multiplier, shift = quantise_multiplier(factor)
    return min((int(multiplier[0]) + (1 << 15)) >> 16, _SHORT_MAX), int(shift[0])


def _high(x: NDArray[np.int64], multiplier: int) -> NDArray[np.int64]:
    """Return the upper 16 bits of twice a product, rounded half away from zero as C's division cuts."""
    product = x * multiplier
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.asarray(np.sign(nudged) * (np.abs(nudged) >> 15), np.int64)
