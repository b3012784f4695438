"""Bytes of dense networks of given widths as float and as int8, in ONNX and in .tflite."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgewright.compression.int8 import quantise
from edgewright.core.records.network import Graph
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.builder import Builder
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.onnx_writer import to_onnx

SMALL = (10, 64, 64, 3)
LARGE = (512, 1024, 1024, 640, 256, 10)


@dataclass(frozen=True)
class Sizes:
    """Bytes of float and int8 files, and of the int8 ones after zlib; .tflite with float and with int8 ends."""

    parameters: int
    onnx: tuple[int, int]
    onnx_zlib: int
    tflite: tuple[int, int]
    tflite_int8_ends: int


def dense(widths: Sequence[int], seed: int = 0) -> Graph:
    """Return a network of ReLU layers with normal weights, softmax at its end."""
    rng = np.random.default_rng(seed)
    builder = Builder("dense", (widths[0],))
    value = builder.input
    builder.boundary(value)
    for layer, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        weights = (rng.standard_normal((inputs, outputs)) * math.sqrt(2.0 / inputs)).astype(np.float32)
        bias = (rng.standard_normal(outputs) * 0.01).astype(np.float32)
        value = builder.op("Gemm", value, builder.constant(weights), builder.constant(bias))
        value = builder.op("Relu", value) if layer < len(widths) - 1 else value
    return builder.finish({"probabilities": (builder.op("Softmax", value, axis=1), "float32", (widths[-1],))})


def sizes(widths: Sequence[int]) -> Sizes:
    """Return bytes of one network in every form."""
    graph = dense(widths)
    samples = np.random.default_rng(1).standard_normal((64, widths[0])).astype(np.float32)
    small = quantise(graph, samples)
    model, integers = to_onnx(small), integer_network(small)
    return Sizes(
        parameters=sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths)),
        onnx=(len(to_onnx(graph)), len(model)),
        onnx_zlib=len(zlib.compress(model, 9)),
        tflite=(len(to_tflite(float_network(graph))), len(to_tflite(integers, float_ends=True))),
        tflite_int8_ends=len(to_tflite(integers)),
    )
