"""A package whose last layer is exchanged for one that a fleet has learned; test vectors and limits are made again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.predictor import FORM, factory_of
from edgewright.core.federation.layer import Layer, check_factory
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package, vector_files, write_package
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.package.adaptation import adaptation_again, last_scales
from edgewright.pipeline.package.packaging import answers
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Node

Array = NDArray[np.float64]
_FORMS = ("float", FORM)


@dataclass(frozen=True)
class LearnedPackage:
    """What was written.

    Attributes:
        sha256: of the file.
        changed: test vectors of which the label is another one than before; `vectors` in all.
    """

    sha256: str
    changed: int
    vectors: int


def write_learned(package: Package, layer: Layer, path: Path, provenance: dict[str, str]) -> LearnedPackage:
    """Write a package with another last layer.

    Args:
        package: before.
        layer: of the fleet, in the steps of the package's factory layer.
        path: of the new file.
        provenance: added to that of the package.

    Raises:
        InputError: a package with other forms than float and int8, or whose network does not end with one product.
        OutputError: the file cannot be written.
    """
    where = f"package {package.manifest.name}"
    check_factory(factory_of(package), where)
    if other := sorted(set(package.manifest.forms) - set(_FORMS)):
        raise InputError("the forms float and int8", ", ".join(other), where, "Use the package of the run")
    hidden, unit = last_scales(package)
    weights: Array = layer.weights.astype(np.float64) * unit
    bias: Array = layer.bias.astype(np.float64) * (unit * hidden)
    models = {FORM: to_onnx(_integer(read_onnx(package.model(FORM)), weights, bias, hidden, where))}
    if "float" in package.manifest.forms:
        models["float"] = to_onnx(_real(read_onnx(package.model("float")), weights, bias, where))
    vectors = package.vectors()
    given = {form: answers(model, vectors) for form, model in models.items()}
    spec, arrays = adaptation_again(package, models[FORM])
    files = {**package.files, **{package.manifest.forms[form]: model for form, model in models.items()}}
    files |= {**vector_files(vectors, given), **arrays}
    manifest = msgspec.structs.replace(
        package.manifest, adapt=spec, provenance={**package.manifest.provenance, **provenance}
    )
    before = package.expected(package.manifest.default).argmax(axis=1)
    changed = int((before != given[package.manifest.default].argmax(axis=1)).sum())
    return LearnedPackage(write_package(path, manifest, files), changed, len(vectors))


def _integer(graph: Graph, weights: Array, bias: Array, hidden: float, where: str) -> Graph:
    """Return the quantised form: bytes of the weights with a scale, or one for each class, and biases in its steps."""
    last = _product(graph, where)
    makers = {node.outputs[0]: node for node in graph.nodes}
    rounded = [makers[name] for name in last.inputs[1:] if name in makers]
    if len(rounded) != 2 or any(dequantiser.op != "DequantizeLinear" for dequantiser in rounded):
        raise InputError("a last layer of rounded weights and biases", "another", where)
    wide, offset = (dequantiser.inputs for dequantiser in rounded)
    constants, rounded_weights = dict(graph.constants), graph.constants[wide[1]]
    largest = np.abs(weights).max(axis=1) if rounded_weights.size > 1 else np.full(1, np.abs(weights).max())
    scale = (np.maximum(largest, 1e-12) / 127).astype(np.float32)
    whole = np.clip(np.round(weights / scale.astype(np.float64)[:, None]), -127, 127).astype(np.int8)
    steps = scale.astype(np.float64) * hidden
    constants[wide[0]] = whole if last.attributes.get("transB") else np.ascontiguousarray(whole.T)
    constants[wide[1]] = scale.reshape(rounded_weights.shape)
    constants[offset[0]] = np.round(bias / steps).astype(np.int32)
    constants[offset[1]] = steps.astype(np.float32).reshape(graph.constants[offset[1]].shape)
    _check_alone(graph, {*wide[:2], *offset[:2]}, where)
    return msgspec.structs.replace(graph, constants=constants)


def _real(graph: Graph, weights: Array, bias: Array, where: str) -> Graph:
    last = _product(graph, where)
    if len(last.inputs) != 3:
        raise InputError("a last layer with a bias", "one without", where)
    constants, turned = dict(graph.constants), weights if last.attributes.get("transB") else weights.T
    constants[last.inputs[1]] = np.ascontiguousarray(turned, np.float32)
    constants[last.inputs[2]] = bias.astype(np.float32)
    _check_alone(graph, {*last.inputs[1:]}, where)
    return msgspec.structs.replace(graph, constants=constants)


def _product(graph: Graph, where: str) -> Node:
    products = [node for node in graph.nodes if node.op == "Gemm"]
    if not products:
        raise InputError("a network that ends with a product of a layer (Gemm)", "none", where)
    return products[-1]


def _check_alone(graph: Graph, names: set[str], where: str) -> None:
    """Refuse numbers that another node reads, too."""
    for name in names:
        if sum(name in node.inputs for node in graph.nodes) != 1:
            raise InputError("numbers of the last layer that nothing else uses", f"{name!r}, shared", where)
