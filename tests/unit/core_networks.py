"""Integer networks on which code for the instructions of a core is proved."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np

from edgewright.compression.int8 import quantise
from edgewright.core.records.network import Graph, IntegerNetwork, Rounding
from edgewright.graph.builder import Builder
from edgewright.graph.extract import integer_network
from integer_networks import small

NETWORKS = ("dense", "logistic", "conv1d", "separable", "pools", "global_max", "blocks")


@cache
def blocks() -> Graph:
    """Images through padded, strided, dilated and pointwise convolutions, in place and not, around a residual sum."""
    rng = np.random.default_rng(5)
    builder = Builder("blocks", (3, 7, 6))
    builder.boundary(builder.input)

    def conv(value: str, *shape: int, **how: int | tuple[int, ...]) -> str:
        weights = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        bias = (rng.standard_normal(shape[0]) / 4).astype(np.float32)
        convolved = builder.op("Conv", value, builder.constant(weights), builder.constant(bias), **how)
        return builder.op("Relu", convolved)

    value = conv(builder.input, 8, 3, 3, 3, pads=(1, 1, 1, 1))
    branch = conv(value, 8, 8, 3, 3, pads=(1, 1, 1, 1))
    branch = conv(branch, 8, 1, 3, 3, group=8, pads=(2, 2, 2, 2), dilations=(2, 2))
    value = builder.op("Relu", builder.op("Add", value, branch))
    value = conv(value, 8, 8, 3, 3, pads=(2, 2, 2, 2), dilations=(2, 2))
    value = conv(value, 12, 8, 1, 1)
    value = conv(value, 12, 1, 3, 2, group=12, strides=(2, 1), pads=(0, 1, 2, 0))
    value = conv(value, 4, 12, 2, 3, strides=(1, 2), pads=(1, 0, 0, 1))
    value = builder.op("Flatten", value, axis=1)
    width = 4 * 4 * 3
    weights = (rng.standard_normal((5, width)) / 6).astype(np.float32)
    value = builder.op("Gemm", value, builder.constant(weights), builder.constant(np.ones(5, np.float32)), transB=1)
    return builder.finish({"prediction": (value, "float32", (5,))})


@cache
def wide() -> Graph:
    """Images of more channels than vectors hold, with a part of a vector left over; one channel is dead."""
    rng = np.random.default_rng(10)
    builder = Builder("wide", (3, 6, 5))
    builder.boundary(builder.input)
    value = builder.input
    for shape, how in (
        ((38, 3, 3, 3), {"pads": (1, 1, 1, 1)}),
        ((38, 1, 3, 3), {"pads": (0, 1, 2, 1), "group": 38, "strides": (2, 1)}),
        ((70, 38, 2, 1), {"dilations": (2, 1)}),
        ((5, 70, 1, 1), {}),
    ):
        weights = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        bias = rng.standard_normal(shape[0]).astype(np.float32)
        weights[1], bias[1] = 1e-9 * weights[1], -1.0
        convolved = builder.op("Conv", value, builder.constant(weights), builder.constant(bias), **how)
        value = builder.op("Relu", convolved)
    value = builder.op("Flatten", value, axis=1)
    return builder.finish({"prediction": (value, "float32", (25,))})


@cache
def narrow() -> Graph:
    """Two inputs, then one value between two layers, which are fewer than a turn of the kernels takes."""
    builder = Builder("narrow", (2,))
    builder.boundary(builder.input)
    value, rng = builder.input, np.random.default_rng(8)
    for inputs, outputs in ((2, 1), (1, 3), (3, 1)):
        weights = rng.standard_normal((outputs, inputs)).astype(np.float32)
        bias = builder.constant(np.full(outputs, 0.5, np.float32))
        value = builder.op("Relu", builder.op("Gemm", value, builder.constant(weights), bias, transB=1))
    return builder.finish({"prediction": (value, "float32", (1,))})


@cache
def long() -> Graph:
    """Layers of so many inputs that vectors are faster, with a part of a vector and of a block left over."""
    rng = np.random.default_rng(9)
    builder = Builder("long", (75,))
    builder.boundary(builder.input)
    value = builder.input
    for inputs, outputs in ((75, 49), (49, 5)):
        weights, bias = (rng.standard_normal(s).astype(np.float32) / 7 for s in ((outputs, inputs), (outputs,)))
        value = builder.op("Gemm", value, builder.constant(weights), builder.constant(bias), transB=1)
    return builder.finish({"prediction": (value, "float32", (5,))})


@cache
def network(name: str, rounding: Rounding = "litert") -> IntegerNetwork:
    if name not in GRAPHS:
        return integer_network(small(name), rounding)
    graph = GRAPHS[name]()
    samples = np.random.default_rng(6).standard_normal((80, *graph.inputs[0].shape)).astype(np.float32)
    quantised = quantise(graph, samples, per_channel="always" if name == "wide" else "auto")
    return integer_network(quantised, rounding)


GRAPHS = {"blocks": blocks, "long": long, "narrow": narrow, "wide": wide}


def inputs(network: IntegerNetwork, count: int) -> np.ndarray:
    shape = network.values[network.input].shape
    return np.random.default_rng(7).integers(-128, 128, (count, *shape)).astype(np.int8)


def changed(network: IntegerNetwork, kind: str, **arrays: np.ndarray) -> IntegerNetwork:
    """Return the network with other arrays in its first operator of a kind."""
    first = next(operator for operator in network.operators if operator.kind == kind)
    other = msgspec.structs.replace(first, arrays={**first.arrays, **arrays})
    operators = tuple(other if operator is first else operator for operator in network.operators)
    return msgspec.structs.replace(network, operators=operators)
