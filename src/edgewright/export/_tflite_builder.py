"""A .tflite file table by table, through the schema classes of `ai_edge_litert`; TensorFlow is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.records.network import Array

# The file identifier and version of the schema.
IDENTIFIER = b"TFL3"
VERSION = 3
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
}
# Options tables that are not called as their operator is.
_TABLES = {
    "AVERAGE_POOL_2D": "Pool2D",
    "BATCH_MATMUL": "BatchMatMul",
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "MAX_POOL_2D": "Pool2D",
    "PADV2": "PadV2",
    **dict.fromkeys(("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"), "Reducer"),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "MaximumMinimum"),
}
# Operators that need no table although the schema has one.
_BARE = frozenset({"DEQUANTIZE", "QUANTIZE", "SIGN"})


class TfliteBuilder:
    """Collects tensors and operators; `finish` gives the bytes. Equal constants share one buffer."""

    def __init__(self, description: str, metadata: Mapping[str, str] | None = None) -> None:
        self._model = schema.ModelT()
        self._model.version, self._model.description = VERSION, description
        # By convention buffer 0 is empty: tensors without data refer to it.
        self._model.buffers, self._model.operatorCodes = [schema.BufferT()], []
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers: dict[bytes, int] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        self._codes: dict[tuple[int, int], int] = {}
        self._model.metadata = [self._entry(name, text) for name, text in (metadata or {}).items()] or None

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: str,
        scale: Any = None,  # noqa: ANN401 - a number or None
        zero: int = 0,
        name: str = "",
        *,
        variable: bool = False,
    ) -> int:
        """Add a value that an operator or the caller fills, or that stays from run to run; give its number."""
        number = self._add(shape, dtype, 0, name, _grid(scale, zero))
        self._tensors[number].isVariable = variable
        return number

    def constant(self, array: Array, scale: Array | None = None, axis: int = 0, zero: int = 0) -> int:
        """Add a constant, with a scale for each entry along `axis` or one for all; give its number."""
        content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        if scale is None:
            key = (array.dtype.name, array.shape, content)
            if key not in self._constants:
                self._constants[key] = self._add(array.shape, array.dtype.name, self._buffer(content), "", None)
            return self._constants[key]
        grid = _grid(scale, zero)
        grid.quantizedDimension = axis if np.size(scale) > 1 else 0
        return self._add(array.shape, array.dtype.name, self._buffer(content), "", grid)

    def number(self, value: float) -> int:
        """Add a float32 scalar; give its number."""
        return self.constant(np.asarray(value, np.float32))

    def name(self, tensor: int, name: str) -> None:
        """Names a tensor, as callers find inputs and outputs."""
        self._tensors[tensor].name = name

    def operator(
        self,
        name: str,
        version: int,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        options: Any = None,  # noqa: ANN401 - the schema's classes differ by operator
        *,
        intermediates: Any = (),  # noqa: ANN401 - a tuple, told apart from fields
        **fields: object,
    ) -> None:
        """Add an operator.

        Args:
            name: of the schema's builtin operators, such as 'CONV_2D'.
            version: lowest one that has the types used.
            inputs: numbers of tensors, -1 for one left out.
            outputs: numbers of tensors.
            options: the operator's options table, an object of the schema; that of its name where it is left out.
            intermediates: numbers of tensors that say the scales within an operator.
            fields: of the options.
        """
        entry = schema.OperatorT()
        entry.opcodeIndex = self._code(getattr(schema.BuiltinOperator, name), version)
        entry.inputs, entry.outputs = list(inputs), list(outputs)
        entry.intermediates = list(intermediates) or None
        if options is None and name not in _BARE:
            table = _TABLES.get(name) or "".join(part.capitalize() for part in name.split("_"))
            kind = getattr(schema, f"{table}OptionsT", None)
            options = None if kind is None else kind()
        if options is not None:
            for field, value in fields.items():
                setattr(options, field, value)
            entry.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            entry.builtinOptions = options
        self._operators.append(entry)

    def step(
        self,
        name: str,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        kind: str = "float32",
        version: int = 1,
        **fields: object,
    ) -> int:
        """Add an operator and a tensor for its output, whose number is given."""
        output = self.tensor(shape, kind)
        self.operator(name, version, inputs, (output,), **fields)
        return output

    def finish(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> bytes:
        """Return the file's bytes; the same calls give the same bytes."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        self._model.subgraphs = [graph]
        writer = flatbuffers.Builder(1024)
        writer.Finish(self._model.Pack(writer), file_identifier=IDENTIFIER)
        return bytes(writer.Output())

    def _add(self, shape: tuple[int, ...], dtype: str, buffer: int, name: str, grid: Any) -> int:  # noqa: ANN401
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), _TYPES[dtype], buffer
        tensor.quantization = grid
        # TFLM's interpreter reads the name of every tensor.
        tensor.name = name
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _entry(self, name: str, text: str) -> Any:  # noqa: ANN401
        """Return text that travels with the file: what .tflite has no field for."""
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self._buffer(text.encode())
        return entry

    def _buffer(self, content: bytes) -> int:
        if content not in self._buffers:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(content, np.uint8)
            self._model.buffers.append(buffer)
            self._buffers[content] = len(self._model.buffers) - 1
        return self._buffers[content]

    def _code(self, builtin: int, version: int) -> int:
        if (builtin, version) not in self._codes:
            code = schema.OperatorCodeT()
            # Readers from before the field grew to 32 bits look at the old one; 127 says 'see the new one'.
            code.deprecatedBuiltinCode, code.builtinCode, code.version = min(builtin, 127), builtin, version
            self._model.operatorCodes.append(code)
            self._codes[builtin, version] = len(self._model.operatorCodes) - 1
        return self._codes[builtin, version]


def _grid(scale: Any, zero: int) -> Any:  # noqa: ANN401 - the schema's class has no types
    if scale is None:
        return None
    grid = schema.QuantizationParametersT()
    grid.scale = np.atleast_1d(np.asarray(scale, np.float32))
    grid.zeroPoint = np.full(grid.scale.shape, zero, np.int64)
    return grid
