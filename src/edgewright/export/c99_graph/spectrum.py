"""Power spectra that a graph says with two matrices, recognised by their numbers, so that C can use an FFT.

A pair of constant matrices (samples, bins) whose columns are a window times cosines, and the same window times sines,
of one transform's frequencies is that transform, whoever wrote it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.graph import Array, Graph, Node

OP = "PowerSpectrum"
# Largest deviation from a cosine, of the largest entry: float32 entries are right to half of 1.2e-7.
_TOLERANCE = 5e-7
_SHORTEST = 16


@dataclass(frozen=True)
class Transform:
    """A real transform of `length` numbers, of which only the first samples may be other than zero.

    Attributes:
        length: of the transform.
        window: factor of each sample.
        power: factor of each bin's squared magnitude.
    """

    length: int
    window: NDArray[np.float32]
    power: NDArray[np.float32]


def factors(half: int) -> tuple[int, ...]:
    """Radices of the passes: 4 as often as it goes, for one pass of it rounds once where two of 2 round twice."""
    radices, radix = [], 4
    while half > 1:
        while half % radix == 0:
            half //= radix
            radices.append(radix)
        radix = 2 if radix == 4 else 3 if radix == 2 else radix + 2
    return tuple(radices)


def recognise(cosine: Array, sine: Array) -> Transform | None:
    """Return the transform of two matrices (samples, bins), or None where they are none."""
    if cosine.shape != sine.shape or cosine.ndim != 2:
        return None
    samples, bins = cosine.shape
    window = cosine[:, 0].astype(np.float64)
    if not window.any():
        return None
    for length in (2 * (bins - 1), 2 * bins - 1):
        if length >= max(samples, _SHORTEST) and (transform := _transform(cosine, sine, window, length)) is not None:
            return transform
    return None


def _transform(cosine: Array, sine: Array, window: NDArray[np.float64], length: int) -> Transform | None:
    samples, bins = cosine.shape
    angle = 2 * np.pi * (np.outer(np.arange(samples), np.arange(bins)) % length) / length
    scales = []
    for matrix, wave in ((cosine, np.cos(angle)), (sine, np.sin(angle))):
        basis = window[:, None] * wave
        size = (basis * basis).sum(axis=0)
        scale = (basis * matrix).sum(axis=0) / np.where(size > 0, size, 1.0)
        if np.abs(matrix - basis * scale).max() > _TOLERANCE * np.abs(cosine).max():
            return None
        scales.append(scale)
    # The sine of the first bin, and of the last of an even length, is nothing but zeros and has no scale.
    inner = slice(1, bins - 1 if length % 2 == 0 else bins)
    if not np.allclose(np.abs(scales[0][inner]), np.abs(scales[1][inner]), rtol=1e-6):
        return None
    return Transform(length, window.astype(np.float32), (scales[0] ** 2).astype(np.float32))


def with_spectra(graph: Graph) -> Graph:
    """Replace each `a*a + b*b` of such a pair by one node with samples, window and bin factors as inputs."""
    producer = {node.outputs[0]: node for node in graph.nodes}
    uses: Counter[str] = Counter(name for node in graph.nodes for name in node.inputs)
    uses.update(value.name for value in graph.outputs)
    uses.update(mark.value for mark in graph.stages)
    constants = dict(graph.constants)
    replaced: dict[str, Node] = {}
    gone: set[str] = set()
    for node in graph.nodes:
        parts = _pair(node, producer, uses)
        if parts is None:
            continue
        cosine, sine = parts
        names = cosine.inputs[1], sine.inputs[1]
        if not all(name in graph.constants for name in names) or cosine.inputs[0] != sine.inputs[0]:
            continue
        transform = recognise(*(graph.constants[n] for n in names)) or recognise(
            *(graph.constants[n] for n in names[::-1])
        )
        if transform is None:
            continue
        output = node.outputs[0]
        constants |= {f"{output} window": transform.window, f"{output} power": transform.power}
        inputs = (cosine.inputs[0], f"{output} window", f"{output} power")
        replaced[output] = Node(op=OP, inputs=inputs, outputs=(output,), attributes={"length": transform.length})
        gone.update(name for n in node.inputs for name in (n, producer[n].inputs[0]))
    nodes = tuple(replaced.get(n.outputs[0], n) for n in graph.nodes if n.outputs[0] not in gone)
    return msgspec.structs.replace(graph, nodes=nodes, constants=constants)


def _pair(node: Node, producer: dict[str, Node], uses: Counter[str]) -> tuple[Node, Node] | None:
    """Return the two products under a sum of squares that nothing else reads."""
    squares = [producer.get(name) for name in node.inputs] if node.op == "Add" else []
    products = []
    for square in squares:
        if square is None or square.op != "Mul" or square.inputs[0] != square.inputs[1]:
            return None
        product = producer.get(square.inputs[0])
        if uses[square.outputs[0]] != 1 or uses[square.inputs[0]] != 2 or product is None or product.op != "MatMul":
            return None
        products.append(product)
    return (products[0], products[1]) if len(products) == 2 else None
