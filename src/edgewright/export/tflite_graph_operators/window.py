"""Convolutions and pools outside a network: as those of networks, between two TRANSPOSE (.tflite has channels last)."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.core import kernels
from edgewright.core.operators._attributes import integer, number
from edgewright.export import tflite_operators
from edgewright.export.tflite_graph_operators import Shape, Site, reshaped, says
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerValue

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
    site.finish(site.step("BATCH_MATMUL", site.tensor(0), site.tensor(1)))


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
    keeps = len(site.shape) > 2
    added = [site.builder.constant(np.ascontiguousarray(weights, np.float32))]
    if bias is not None:
        added.append(site.builder.constant(np.ascontiguousarray(bias, np.float32)))
    version = _KEEPS_AXES if keeps else 1
    return site.step("FULLY_CONNECTED", site.tensor(), *added, version=version, keepNumDims=keeps)


@says("Conv", "MaxPool", "AveragePool")
def window(site: Site) -> None:
    """CONV_2D, DEPTHWISE_CONV_2D, MAX_POOL_2D or AVERAGE_POOL_2D; one axis becomes a height of 1.

    Raises:
        InputError: for weights that are computed, or a padding or dilation that .tflite has no word for.
    """
    shape, out = site.source().shape[1:], site.shape[1:]
    source = IntegerValue(shape=_last_channels(shape))
    operator, places = kernels.read_node(kernels.Site(site.node, source, tuple(shape), tuple(out), _weights(site)))
    four = reshaped(site, site.tensor(), site.source().shape, (1, *_two(shape)))
    turned = _turned(site, four, (1, *source.shape), (0, 2, 3, 1))
    result = site.builder.tensor((1, *places), "float32")
    location = tflite_operators.OperatorSite(
        builder=site.builder,
        operator=msgspec.structs.replace(operator, inputs=(0,), output=1),
        inputs=(turned,),
        output=result,
        sources=(source,),
        target=IntegerValue(shape=places),
    )
    try:
        tflite_operators.write(location)
    except InputError as error:
        raise InputError(error.expected, error.got, site.where, error.do) from None
    first = _turned(site, result, (1, *_two(out)), (0, 3, 1, 2))
    site.finish(reshaped(site, first, (1, *_two(out))))


def _weights(site: Site) -> kernels.Weights | None:
    if site.node.op != "Conv":
        return None
    array, bias = site.fixed(1), site.fixed(2)
    if array is None or (bias is None and site.given(2)):
        raise InputError("constant weights and bias", "computed ones", site.where)
    return kernels.Weights(array, None, bias)


def _two(shape: Shape) -> Shape:
    """Return channels, height and width."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _last_channels(shape: Shape) -> Shape:
    channels, height, width = _two(shape)
    return height, width, channels


def _turned(site: Site, tensor: int, shape: Shape, order: Shape) -> int:
    return site.step("TRANSPOSE", tensor, site.numbers(*order), shape=shape)
