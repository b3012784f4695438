"""How each operator of a float graph is written to .tflite. Every module of this folder is a family of functions.

Only operators that LiteRT's reference kernels and TFLM's interpreter both have are used where there is a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core import catalogue
from edgewright.core.errors import ExportError
from edgewright.core.operators import where
from edgewright.core.records.network import Array, Node
from edgewright.export._tflite_builder import TfliteBuilder


def reshaped(site: Site, tensor: int, shape: tuple[int, ...], to: tuple[int, ...] | None = None) -> int:
    """Return a tensor of `shape` in another one, that of the node's output where it is left out."""
    wanted = site.shape if to is None else to
    if tuple(shape) == wanted:
        return tensor
    return site.step("RESHAPE", tensor, site.numbers(*wanted), shape=wanted, newShape=list(wanted))


Shape = tuple[int, ...]
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "bool": schema.TensorType.BOOL,
}


def cast_to(site: Site, value: int, shape: Shape, kind: str, before: str = "") -> int:
    """CAST to a type, from the other of float32 and int32 where it is not said."""
    before = before or ("int32" if kind == "float32" else "float32")
    return site.step("CAST", value, shape=shape, kind=kind, inDataType=_TYPES[before], outDataType=_TYPES[kind])


@dataclass(frozen=True)
class Site:
    """A node with what it stands between; the batch axis, of length 1, is part of every shape.

    Attributes:
        builder: of the file.
        node: to write.
        tensors: numbers of the computed values by name; `finish` adds the node's own.
        sample: every computed value for a sample of zeros, which tells shapes and types.
        constants: by name.
    """

    builder: TfliteBuilder
    node: Node
    tensors: dict[str, int]
    sample: Mapping[str, Array]
    constants: Mapping[str, Array]

    @property
    def where(self) -> str:
        """The node in words."""
        return where(self.node)

    @property
    def shape(self) -> Shape:
        """Of the output."""
        return tuple(self.sample[self.node.outputs[0]].shape)

    @property
    def kind(self) -> str:
        """Of the output: 'float32', 'int32' or 'bool'."""
        return kind_of(self.sample[self.node.outputs[0]])

    def given(self, index: int) -> bool:
        """Return whether the input is not left out."""
        return len(self.node.inputs) > index and self.node.inputs[index] != ""

    def source(self, index: int = 0) -> Array:
        """Return an input as an array: the constant, or the value for a sample of zeros."""
        name = self.node.inputs[index]
        return self.constants[name] if name in self.constants else self.sample[name]

    def fixed(self, index: int) -> Array | None:
        """Return an input that is a constant; None where it is computed or left out."""
        return self.constants.get(self.node.inputs[index]) if self.given(index) else None

    def tensor(self, index: int = 0) -> int:
        """Return the number of an input's tensor; a constant is added in the type the file has for it."""
        name = self.node.inputs[index]
        if name in self.tensors:
            return self.tensors[name]
        return self.builder.constant(plain(self.constants[name]))

    def numbers(self, *values: int) -> int:
        """Add a vector of int32."""
        return self.builder.constant(np.asarray(values, np.int32))

    def step(
        self, op: str, *inputs: int, shape: Shape | None = None, kind: str = "", version: int = 1, **fields: object
    ) -> int:
        """Append an operator whose output is inside the node; shape and type are those of the node's where left out.

        Returns:
            The number of the output.
        """
        return self.builder.step(
            op, inputs, self.shape if shape is None else shape, kind or self.kind, version, **fields
        )

    def finish(self, tensor: int) -> None:
        """Say that a tensor is what the node gives."""
        self.tensors[self.node.outputs[0]] = tensor


Writer = Callable[[Site], None]
says = catalogue.Registry[Writer](__name__)
"""Registers the writer of operators of a graph."""


def write(site: Site) -> None:
    """Append a node to the file.

    Raises:
        InputError: naming the operator and the node, for one that has no writer, or a use that .tflite cannot hold.
    """
    writer = says.known.get(site.node.op)
    if writer is None:
        raise ExportError("operators that .tflite has outside a network", site.node.op, site.where)
    writer(site)


def kind_of(array: Array) -> str:
    """Return the file's type for an array: numbers as float32, whole ones as int32."""
    return {"f": "float32", "b": "bool"}.get(array.dtype.kind, "int32")


def plain(array: Array) -> Array:
    """Return a constant in the file's type for it.

    Raises:
        InputError: for whole numbers beyond 32 bits.
    """
    kind = np.dtype(kind_of(array))
    if kind == np.int32 and array.size and (array.min() < -(2**31) or array.max() >= 2**31):
        raise ExportError("whole numbers of 32 bits", str(array.max()), ".tflite")
    return np.asarray(array, kind)
