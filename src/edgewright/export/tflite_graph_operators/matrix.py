"""Products of matrices."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.operators._attributes import integer, number
from edgewright.export.tflite_graph_operators import Site, says
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

# Version of FULLY_CONNECTED that keeps the axes before the last.
_KEEPS_AXES = 5


@says("MatMul")
def matmul(site: Site) -> None:
    """FULLY_CONNECTED where the second factor is a constant matrix, BATCH_MATMUL otherwise."""
    matrix = site.fixed(1)
    if matrix is not None and matrix.ndim == 2 and site.source().ndim >= 2:
        site.finish(_connected(site, matrix.T))
        return
    if min(site.source(0).ndim, site.source(1).ndim) < 2:
        raise InputError("factors of two axes or more", f"{site.source(1).ndim} axes", site.where)
    site.finish(site.step("BATCH_MATMUL", (site.tensor(0), site.tensor(1)), schema.BatchMatMulOptionsT()))


@says("Gemm")
def gemm(site: Site) -> None:
    """FULLY_CONNECTED with constant weights and bias, factors worked in."""
    node, matrix = site.node, site.fixed(1)
    if matrix is None or integer(node, "transA", 0) or (site.given(2) and site.fixed(2) is None):
        raise InputError("constant weights and bias, and the first factor as it is", "computed ones", site.where)
    weights = matrix if integer(node, "transB", 0) else matrix.T
    alpha, beta = np.float32(number(node, "alpha", 1.0)), np.float32(number(node, "beta", 1.0))
    bias = site.fixed(2)
    if bias is not None:
        bias = np.broadcast_to(bias * beta, (1, len(weights))).reshape(-1)
    site.finish(_connected(site, weights * alpha, bias))


def _connected(site: Site, weights: Array, bias: Array | None = None) -> int:
    """FULLY_CONNECTED over the last axis; weights of shape (outputs, inputs)."""
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = len(site.shape) > 2
    added = [site.builder.constant(np.ascontiguousarray(weights, np.float32))]
    if bias is not None:
        added.append(site.builder.constant(np.ascontiguousarray(bias, np.float32)))
    version = _KEEPS_AXES if options.keepNumDims else 1
    return site.step("FULLY_CONNECTED", (site.tensor(), *added), options, version=version)
