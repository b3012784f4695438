"""A large network that shows what int8 saves when a file consists almost only of weights."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from edgewright.compression.int8 import quantise
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.schema.data import Floats
from edgewright.schema.graph import Graph

INPUTS, OUTPUTS, HIDDEN = 10, 3, 3


def reference_graph(megabytes: float, seed: int = 0) -> Graph:
    """Return a dense network of a given size with three hidden layers of equal width and normally distributed weights.

    Args:
        megabytes: approximate size of the float32 parameters in 10^6 bytes.
        seed: seed of the random weights.
    """
    # The network has 2 w² + (inputs + outputs + 3) w parameters of 4 bytes each; this is solved for the width w.
    linear = INPUTS + OUTPUTS + HIDDEN
    width = max(1, round((math.sqrt(linear**2 + 8 * megabytes * 250_000) - linear) / 4))
    rng = np.random.default_rng(seed)
    sizes = (INPUTS, *(width,) * HIDDEN, OUTPUTS)
    builder = Builder("reference", (INPUTS,))
    value = builder.input
    builder.boundary(value)
    for layer, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        weights = (rng.standard_normal((inputs, outputs)) * math.sqrt(2.0 / inputs)).astype(np.float32)
        bias = (rng.standard_normal(outputs) * 0.01).astype(np.float32)
        value = builder.op("Gemm", value, builder.constant(weights), builder.constant(bias))
        value = builder.op("Relu", value) if layer <= HIDDEN else value
    return builder.finish({"probabilities": (builder.op("Softmax", value, axis=1), "float32", (OUTPUTS,))})


def reference_models(megabytes: float, *, seed: int = 0) -> tuple[bytes, bytes, Floats]:
    """Return the ONNX files of the float and the int8 form, and a sample, shape (1, inputs)."""
    graph = reference_graph(megabytes, seed)
    samples = np.random.default_rng([seed, 1]).standard_normal((64, INPUTS)).astype(np.float32)
    return to_onnx(graph), to_onnx(quantise(graph, samples)), samples[:1]
