"""Products of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.operators import Function, operator, plain
from edgewright.core.operators._attributes import integer, number
from edgewright.schema.graph import Array, Node

operator("MatMul")(plain(np.matmul))


@operator("Gemm")
def gemm(node: Node, constants: Sequence[Array | None]) -> Function:
    """Give alpha * A' * B' + beta * C, A' and B' transposed where the attributes say so."""
    alpha, beta = number(node, "alpha", 1.0), number(node, "beta", 1.0)
    first, second = bool(integer(node, "transA", 0)), bool(integer(node, "transB", 0))

    def factor(b: Array) -> Array:
        b = b.T if second else b
        return np.ascontiguousarray(b if alpha == 1.0 else b * b.dtype.type(alpha))

    def offset(c: Array) -> Array:
        return c if beta == 1.0 else c * c.dtype.type(beta)

    # Weights are constants nearly always: turned and scaled once, not at each call.
    fixed = constants[1]
    weights = None if fixed is None else factor(fixed)
    fixed = constants[2] if len(constants) > 2 else None
    bias = None if fixed is None else offset(fixed)

    def run(a: Array, b: Array, c: Array | None = None) -> Array:
        product: Array = np.matmul(a.T if first else a, factor(b) if weights is None else weights)
        if bias is not None:
            product += bias
        elif c is not None:
            product += offset(c)
        return product

    return run
