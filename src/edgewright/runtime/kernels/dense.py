"""Fully connected: weights (outputs, inputs). LiteRT rounds once, from float64; TFLM twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.runtime.integer.requantise import exact_once, once, quantise_multiplier, twice
from edgewright.runtime.kernels import Site, clamped, extended, finished, sums
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

ONNX = ("Gemm",)


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Gemm; its weights are put into the order of the input's features.

    Raises:
        InputError: for a Gemm with factors or a transposed input.
    """
    node, weights = site.node, site.weights
    plain = all(node.attributes.get(name, 1.0) == 1.0 for name in ("alpha", "beta"))
    if weights is None or not plain or node.attributes.get("transA", 0):
        raise InputError("a Gemm with constant weights and without factors", str(node.attributes), "operator Gemm")
    rows = weights.array if node.attributes.get("transB", 0) else weights.array.T
    if site.order is not None:
        rows = rows[:, site.order]
    arrays = {"weights": np.ascontiguousarray(rows)}
    if weights.bias is not None:
        arrays["bias"] = np.asarray(weights.bias).reshape(-1)
    if weights.scale is not None:
        arrays["weight_scale"] = np.atleast_1d(weights.scale)
    return IntegerOperator(kind="dense", inputs=(), output=-1, arrays=arrays), (len(rows),)


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Multipliers: exact for LiteRT's float64 factor; for TFLM from float64, of a float32 product when one scale."""
    made, scale = clamped(operator, output), operator.arrays["weight_scale"].astype(np.float32)
    least, most = sums(operator, inputs[0], 0)
    source, target = np.float64(np.float32(inputs[0].scale)), np.float64(np.float32(output.scale))
    if rounding == "litert":
        factors = np.broadcast_to(source * scale.astype(np.float64) / target, least.shape)
        multiplier, shift = exact_once(factors, least, most, made.low - output.zero, made.high - output.zero)
    elif scale.size > 1:
        multiplier, shift = quantise_multiplier(source * scale.astype(np.float64) / target)
    else:
        product = np.float64(np.float32(inputs[0].scale) * scale[0])
        multiplier, shift = quantise_multiplier(product / target)
    return extended(made, single=rounding == "litert", multiplier=multiplier, shift=shift)


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, inputs) -> (n, outputs). float64 products of bytes are exact far beyond 32 bits, and BLAS has them."""
    own = operator.arrays
    total = (arrays[0].astype(np.float64) - inputs[0].zero) @ own["weights"].T.astype(np.float64)
    summed = total.astype(np.int64) + own["bias"] if "bias" in own else total.astype(np.int64)
    rule = once if operator.numbers["single"][0] else twice
    return finished(rule(summed, own["multiplier"], own["shift"]), operator, output)
