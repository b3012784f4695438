"""ONNX tensors (constants) as arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgewright.core.onnx.protobuf import Field, collect, joined, last
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

# TensorProto.DataType -> dtype as stored in raw_data, which is little endian.
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
}
_LARGEST_AXIS = 1 << 31
_MOST_AXES = 16
_DIMS, _TYPE, _FLOATS, _INT32S, _INT64S, _NAME, _RAW, _DOUBLES, _EXTERNAL = 1, 2, 4, 5, 7, 8, 9, 10, 13
_READERS = {
    _DIMS: Field.integers,
    _TYPE: Field.integer,
    _FLOATS: Field.floats,
    _INT32S: Field.integers,
    _INT64S: Field.integers,
    _NAME: Field.text,
    _RAW: Field.message,
    _DOUBLES: Field.doubles,
    _EXTERNAL: Field.message,
}


def tensor(data: memoryview) -> tuple[str, Array]:
    """Read a TensorProto.

    Returns:
        Its name and a read-only array of its own memory.

    Raises:
        InputError: for a type that is not known, or values that do not fill the shape.
    """
    found = collect(data, _READERS)
    dims, kind, name = joined(found, _DIMS), last(found, _TYPE, 0), last(found, _NAME, "")
    if _EXTERNAL in found:
        raise InputError("constants inside the model", "external data", f"constant {name!r}")
    values = [
        value for number in (_FLOATS, _INT32S, _INT64S, _DOUBLES) for part in found.get(number, []) for value in part
    ]
    where = f"constant {name!r}"
    if kind not in DTYPES:
        known = ", ".join(str(d.newbyteorder("=")) for d in DTYPES.values())
        raise InputError(f"a constant of type {known}", f"ONNX type {kind}", where)
    if len(dims) > _MOST_AXES or any(not 0 <= length < _LARGEST_AXIS for length in dims):
        raise InputError("a possible shape", str(dims[: _MOST_AXES + 1]), where)
    return name, _filled(DTYPES[kind], dims, last(found, _RAW, None), values, where)


def _filled(dtype: np.dtype[Any], dims: list[int], raw: memoryview | None, values: list[Any], where: str) -> Array:
    """Return the values in their shape: their number is compared before anything of the shape's size is made."""
    count = math.prod(dims)
    have = len(values) if raw is None else len(raw) // dtype.itemsize
    if have != count or (raw is not None and len(raw) % dtype.itemsize):
        raise InputError(f"{count} values for the shape {dims}", str(have), where)
    try:
        if raw is not None:
            array = np.frombuffer(raw, dtype)
        elif dtype.kind == "f" and dtype.itemsize == 2:
            # Half floats come as the integers that have the same bits.
            array = np.array(values, np.uint16).view(np.float16)
        else:
            array = np.array(values, np.float64 if dtype.kind == "f" else np.int64).astype(dtype)
        whole = array.astype(dtype.newbyteorder("=")).reshape(dims)
    except (ValueError, OverflowError, MemoryError):
        raise InputError(f"values of type {dtype} in the shape {dims}", "others", where) from None
    whole.setflags(write=False)
    return whole
