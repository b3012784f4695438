"""What a .tflite file holds: tensors, constants and operators by name, checked as far as lengths and numbers go.

Field numbers are those of LiteRT's schema (schema.fbs, version 3).

Written from the description of the format at flatbuffers.dev/internals.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, TfliteDamagedError, TfliteError
from edgewright.core.records.network import Array

_FORMATS = {"u8": "<B", "i8": "<b", "u16": "<H", "i32": "<i", "u32": "<I", "f32": "<f"}


class Table:
    """A table at a place of the bytes; fields are asked for by their number in the schema, from 0."""

    __slots__ = ("_at", "_data", "_fields", "_length")

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at
        back = number(data, at, "i32")
        self._fields = at - back
        self._length = number(data, self._fields, "u16")
        number(data, at, "u8")

    def _position(self, field: int) -> int:
        """Where a field is, 0 when it is left out."""
        if 4 + 2 * field + 2 > self._length:
            return 0
        offset = number(self._data, self._fields + 4 + 2 * field, "u16")
        return self._at + offset if offset else 0

    def value(self, field: int, kind: str, default: float = 0) -> float:
        """Return a number; the default when it is left out."""
        index = self._position(field)
        return number(self._data, index, kind) if index else default

    def integer(self, field: int, kind: str = "i32", default: int = 0) -> int:
        """Return a whole number."""
        return int(self.value(field, kind, default))

    def table(self, field: int) -> Table | None:
        """Return a table, None when it is left out."""
        index = self._position(field)
        return Table(self._data, index + number(self._data, index, "u32")) if index else None

    def text(self, field: int) -> str:
        """Return a string, cut at 200 characters; empty when it is left out."""
        return bytes(self.numbers(field, "u1")[:200]).decode("utf-8", "replace")

    def numbers(self, field: int, dtype: str) -> Array:
        """Return a vector of numbers as a read-only array; empty when it is left out."""
        kind = np.dtype(dtype)
        start, count = self._vector(field, kind.itemsize)
        return np.frombuffer(self._data, kind, count, start) if count else np.zeros(0, kind)

    def tables(self, field: int, maximum: int) -> list[Table]:
        """Return a vector of tables.

        Raises:
            InputError: for more than `maximum`.
        """
        start, count = self._vector(field, 4)
        if count > maximum:
            raise damaged(f"a list has {count} entries, more than {maximum}")
        places = (start + 4 * i for i in range(count))
        return [Table(self._data, offset + number(self._data, offset, "u32")) for offset in places]

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        """Where the entries of a vector begin, and how many there are."""
        index = self._position(field)
        if not index:
            return 0, 0
        start = index + number(self._data, index, "u32")
        count = number(self._data, start, "u32")
        if start + 4 + count * size > len(self._data):
            raise damaged("a list ends after the file")
        return start + 4, count


def number(data: memoryview, at: int, kind: str) -> int:
    """Return a number at a place.

    Raises:
        InputError: when the place is not within the bytes.
    """
    form = _FORMATS[kind]
    if not 0 <= at <= len(data) - struct.calcsize(form):
        raise damaged("a reference points outside the file")
    value: int = struct.unpack_from(form, data, at)[0]
    return value


def damaged(why: str) -> InputError:
    """Return the error for bytes that are no .tflite file."""
    return TfliteDamagedError("a .tflite file", f"bytes in which {why}", do="The file is damaged or of another kind")


# Numbers of BuiltinOperator, from 0 on; later ones are named by their number.
_OPERATORS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM
MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN
EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2
GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG
SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT
UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE
MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO
RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE
RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
"""
OPERATORS = _OPERATORS.split()
TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"), 1: np.dtype("<f2"), 2: np.dtype("<i4"), 3: np.dtype("u1"), 4: np.dtype("<i8"),
    6: np.dtype("?"), 7: np.dtype("<i2"), 9: np.dtype("i1"), 10: np.dtype("<f8"),
}  # fmt: skip
# Integers of 4 bits, two in a byte, the lower half first; read as int8.
_INT4 = 17
_CUSTOM = 32
_MOST_TENSORS, _MOST_OPERATORS, _MOST_AXES, _MOST_INPUTS = 100_000, 20_000, 8, 1_024
_LARGEST = 1 << 26
# Converters join the names of all layers that they made one; a message has room for the beginning.
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Tensor:
    """A tensor: shape with the batch axis; scales and zero points when it is quantised; None where it is computed."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: Array
    zero: Array
    axis: int
    array: Array | None


@dataclass(frozen=True)
class Placement:
    """Dilations (height, width) and pads (top, left, bottom, right) that replace those of an operator's options."""

    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]


@dataclass(frozen=True)
class Operator:
    """An operator: its name in the schema, numbers of tensors (-1 left out), and the table of its options.

    `between` are tensors that only say scales within the operator. `placement` is that of a convolution which several
    operators of the file express.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    between: tuple[int, ...] = ()
    placement: Placement | None = None

    def option(self, field: int, kind: str = "i32", default: int = 0) -> int:
        """Return a number of the options."""
        return default if self.options is None else self.options.integer(field, kind, default)


@dataclass(frozen=True)
class TfliteFile:
    """The first subgraph of a file; more than one is refused. Metadata by name."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: Mapping[str, bytes] = field(default_factory=dict)


def parse_tflite(data: bytes) -> TfliteFile:
    """Read the tables of a file.

    Raises:
        InputError: for bytes that are no such file, or hold what is not known here (several subgraphs, sparse weights).
    """
    view = memoryview(data)
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise damaged("the mark TFL3 is missing")
    model = Table(view, number(view, 0, "u32"))
    if model.integer(0, "u32") != 3:
        raise TfliteDamagedError("version 3 of the schema", str(model.integer(0, "u32")), ".tflite")
    graphs = model.tables(2, 1_000)
    if len(graphs) != 1:
        do = (
            "Export one signature without control flow; of an LSTM or a GRU of Keras 3, which becomes a loop, the .onnx"
        )
        raise TfliteError("one subgraph", str(len(graphs)), ".tflite", do)
    codes = [_code(code) for code in model.tables(1, 10_000)]
    buffers = model.tables(4, _MOST_TENSORS)
    tensors = tuple(_tensor(table, buffers) for table in graphs[0].tables(0, _MOST_TENSORS))
    operators = tuple(_operator(table, codes, len(tensors)) for table in graphs[0].tables(3, _MOST_OPERATORS))
    inputs, outputs = (_places(graphs[0], field, len(tensors)) for field in (1, 2))
    if min((*inputs, *outputs), default=-1) < 0:
        raise damaged("an input or output is left out")
    return TfliteFile(tensors, operators, inputs, outputs, _metadata(model, buffers))


def _metadata(model: Table, buffers: list[Table]) -> dict[str, bytes]:
    metadata = {}
    for entry in model.tables(6, 1_000):
        index = entry.integer(1, "u32")
        if index >= len(buffers):
            raise damaged("metadata lie in no buffer")
        metadata[entry.text(0)] = buffers[index].numbers(0, "u1").tobytes()
    return metadata


def _code(table: Table) -> str:
    # The old field has eight bits; files of today fill both.
    code = max(table.integer(0, "i8"), table.integer(3))
    if code == _CUSTOM:
        return f"CUSTOM {' '.join(table.text(1).split())[:_LONGEST_NAME]}"
    return OPERATORS[code] if 0 <= code < len(OPERATORS) else f"operator {code}"


def _places(table: Table, field: int, count: int) -> tuple[int, ...]:
    numbers = table.numbers(field, "<i4")
    if len(numbers) > _MOST_INPUTS or (len(numbers) and not (numbers.min() >= -1 and numbers.max() < count)):
        raise damaged("an operator reads a tensor that is not there")
    return tuple(int(n) for n in numbers)


def _operator(table: Table, codes: list[str], count: int) -> Operator:
    index = table.integer(0, "u32")
    if index >= len(codes):
        raise damaged("an operator has no name")
    outputs = _places(table, 2, count)
    if not outputs or min(outputs) < 0:
        raise damaged("an operator gives nothing")
    return Operator(codes[index], _places(table, 1, count), outputs, table.table(4), _places(table, 8, count))


def _unpacked(raw: Array, count: int) -> Array:
    """Return integers of 4 bits, two in each byte, as int8; unchanged bytes where their number is another."""
    if len(raw) != (count + 1) // 2:
        return raw
    halves = np.stack([raw << 4, raw & 0xF0], axis=1).astype(np.uint8).view(np.int8) >> 4
    return halves.ravel()[:count].view(np.uint8)


def _tensor(table: Table, buffers: list[Table]) -> Tensor:
    name = table.text(3)[:_LONGEST_NAME] or "a tensor without name"
    shape = tuple(int(n) for n in table.numbers(0, "<i4")[: _MOST_AXES + 1])
    if len(shape) > _MOST_AXES or any(not 0 <= n <= _LARGEST for n in shape) or math.prod(shape) > _LARGEST:
        raise TfliteError("a shape of sensible size", str(shape), f".tflite tensor {name!r}")
    kind, index = table.integer(1, "i8"), table.integer(2, "u32")
    if index >= len(buffers) or table.table(6) is not None:
        raise TfliteError("dense constants inside the file", "others", f".tflite tensor {name!r}")
    dtype = TYPES.get(kind)
    quantised = table.table(4)
    if quantised is not None and quantised.integer(4, "u8"):
        do = "Quantize with a scale for each tensor or channel"
        raise TfliteError("a scale for each tensor or channel", "scales of blocks", f".tflite tensor {name!r}", do)
    scale = np.zeros(0, np.float32) if quantised is None else quantised.numbers(2, "<f4")
    zero = np.zeros(0, np.int64) if quantised is None else quantised.numbers(3, "<i8")
    axis = 0 if quantised is None else quantised.integer(6)
    raw = buffers[index].numbers(0, "u1")
    array: Array | None = None
    if kind == _INT4:
        dtype, raw = np.dtype("i1"), _unpacked(raw, math.prod(shape))
    if len(raw) and dtype is not None:
        if len(raw) != math.prod(shape) * dtype.itemsize:
            raise TfliteDamagedError(f"values for the shape {shape}", f"{len(raw)} bytes", f".tflite tensor {name!r}")
        array = np.frombuffer(raw, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
    text = dtype.name if dtype is not None else f"type {kind}"
    return Tensor(
        name, shape, text, scale.astype(np.float32, copy=False), zero.astype(np.int64, copy=False), axis, array
    )
