"""Convolutions and pools outside a network: as those of networks, between two TRANSPOSE (.tflite has channels last)."""

from __future__ import annotations

import msgspec
from ai_edge_litert import schema_py_generated as schema

from edgewright.core import kernels
from edgewright.export import tflite_operators
from edgewright.export.tflite_graph_operators import Shape, Site, says
from edgewright.export.tflite_graph_operators._shapes import reshaped
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerValue


@says("Conv", "MaxPool", "AveragePool")
def window(site: Site) -> None:
    """CONV_2D, DEPTHWISE_CONV_2D, MAX_POOL_2D or AVERAGE_POOL_2D; one axis becomes a height of 1.

    Raises:
        InputError: for weights that are computed, or a padding or dilation that .tflite has no word for.
    """
    shape, out = site.source().shape[1:], site.shape[1:]
    source = IntegerValue(shape=_last_channels(shape))
    operator, places = kernels.kernel(kernels.kinds()[site.node.op]).read(
        kernels.Site(site.node, source, tuple(shape), tuple(out), _weights(site))
    )
    four = reshaped(site, site.tensor(), site.source().shape, (1, *_two(shape)))
    turned = _turned(site, four, (1, *source.shape), (0, 2, 3, 1))
    made = site.builder.tensor((1, *places), "float32")
    place = tflite_operators.Place(
        builder=site.builder,
        operator=msgspec.structs.replace(operator, inputs=(0,), output=1),
        inputs=(turned,),
        output=made,
        sources=(source,),
        target=IntegerValue(shape=places),
    )
    try:
        tflite_operators.write(place)
    except InputError as error:
        raise InputError(error.expected, error.got, site.where, error.do) from None
    first = _turned(site, made, (1, *_two(out)), (0, 3, 1, 2))
    site.finish(reshaped(site, first, (1, *_two(out))))


def _weights(site: Site) -> kernels.Weights | None:
    if site.node.op != "Conv":
        return None
    array, bias = site.fixed(1), site.fixed(2)
    if array is None or (bias is None and site.given(2)):
        raise InputError("constant weights and bias", "computed ones", site.where)
    return kernels.Weights(array, None, bias)


def _two(shape: Shape) -> Shape:
    """Channels, height and width."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _last_channels(shape: Shape) -> Shape:
    channels, height, width = _two(shape)
    return height, width, channels


def _turned(site: Site, tensor: int, shape: Shape, order: Shape) -> int:
    return site.step("TRANSPOSE", (tensor, site.numbers(*order)), schema.TransposeOptionsT(), shape=shape)
