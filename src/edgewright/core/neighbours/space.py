"""Samples to unit vectors, by a package's own graph: as far as its network begins, or to its last hidden layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.executor import compile_graph
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package
from edgewright.core.parts import parts
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.neighbours import Space

Floats = NDArray[np.float32]
_PART = 512


class SampleSpace:
    """A package's graph without its answer.

    Args:
        package: with the form 'float'.
        space: 'features' or 'network'.

    Raises:
        InputError: a package whose graph has no such place.
    """

    def __init__(self, package: Package, space: Space) -> None:
        graph = read_onnx(package.model("float"))
        self._value = place_of(graph, space, package.manifest.name)
        self._run = compile_graph(graph, [self._value])

    def vectors(self, samples: Floats) -> Floats:
        """Return unit vectors, shape (n, d), of samples as the package takes them.

        Raises:
            InputError: a sample whose features are not finite.
        """
        found = [self._run(samples[part])[self._value] for part in parts(samples.shape, _PART)]
        wide = np.concatenate([values.reshape(len(values), -1) for values in found]).astype(np.float32)
        if not np.isfinite(wide).all():
            number = int(np.argmin(np.isfinite(wide).all(axis=1)))
            raise InputError("features that are numbers", "others", f"sample {number}", "Leave out missing values")
        return unit_rows(wide)


def unit_rows(wide: NDArray[np.float32]) -> Floats:
    """Return samples of any shape as rows of length 1, shape (n, d)."""
    flat = wide.reshape(len(wide), -1)
    length = np.sqrt(np.sum(np.square(flat), axis=1, keepdims=True))
    return np.asarray(flat / np.maximum(length, np.float32(1e-12)), np.float32)


def place_of(graph: Graph, space: Space, name: str) -> str:
    """Return the value of a graph that a space is; `name` in messages.

    Raises:
        InputError: the graph has none such.
    """
    features = graph.boundary or (graph.stages[-2].value if len(graph.stages) > 1 else "")
    if not features:
        raise InputError("a package with stages before its model", "none", f"package {name}")
    if space == "features":
        return features
    reached, hidden = {features}, ""
    for node in graph.nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            if node.op in ("Gemm", "MatMul") and graph.boundary:
                hidden = node.inputs[0]
    if not hidden or hidden == features:
        raise InputError("a network with a hidden layer", "none", f"package {name}", "Use --space features")
    return hidden
