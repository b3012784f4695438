"""Fully connected: weights (outputs, inputs). LiteRT rounds once, from float64; TFLM twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.arithmetic.requantise import exact_once, quantise_multiplier
from edgewright.core.kernels import Function, Kernel, Site, clamped, extended, register, sums
from edgewright.core.kernels._rounding import rounded_once, rounded_twice
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding


def _read_dense(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
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


def _prepare_dense(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Multipliers: exact for LiteRT's float64 factor; for TFLM from float64, of a float32 product when one scale."""
    prepared, scale = clamped(operator, output), operator.arrays["weight_scale"].astype(np.float32)
    limits = sums(operator, inputs[0], 0)
    source, target = np.float64(np.float32(inputs[0].scale)), np.float64(np.float32(output.scale))
    if rounding == "litert":
        factors = np.broadcast_to(source * scale.astype(np.float64) / target, limits.lowest.shape)
        multiplier, shift = exact_once(
            factors, limits.lowest, limits.highest, prepared.low - output.zero, prepared.high - output.zero
        )
    elif scale.size > 1:
        multiplier, shift = quantise_multiplier(source * scale.astype(np.float64) / target)
    else:
        product = np.float64(np.float32(inputs[0].scale) * scale[0])
        multiplier, shift = quantise_multiplier(product / target)
    return extended(prepared, single=rounding == "litert", multiplier=multiplier, shift=shift)


def _build_dense(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, inputs) -> (n, outputs)."""
    weights = operator.arrays["weights"]
    limits = sums(operator, inputs[0], 0)
    columns = np.ascontiguousarray(weights.T, limits.dtype)
    if operator.numbers["single"][0]:
        finish = rounded_once(operator, output, limits.offset)
    else:
        finish = rounded_twice(operator, output, limits.offset, limits.furthest)
    return lambda x: finish(x.astype(limits.dtype) @ columns)


register("dense")(Kernel(_build_dense, prepare=_prepare_dense, read=_read_dense, onnx=("Gemm",)))
