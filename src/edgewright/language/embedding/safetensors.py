"""Weights in the safetensors format: a JSON header, then raw numbers; nothing in it is code.

Format: eight bytes little-endian length of the header, the header, the data; each entry has `dtype`, `shape` and
`data_offsets` (begin, end) into the data.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

_LONGEST_HEADER = 100 << 20
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1", "BF16": "<u2",
}  # fmt: skip
_DO = "Fetch the model again: the file was damaged, or is of a newer format"


class _Entry(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name; floats of 16 bits as float32.

    Raises:
        InputError: no such file, a header that is none, offsets outside the file, or a type of number that is not
            known here.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError("a file of weights", error.strerror or str(error), str(path)) from None
    if len(data) < 8:
        raise InputError("a file of weights", f"{len(data)} bytes", str(path), _DO)
    length = int.from_bytes(data[:8].tobytes(), "little")
    if length > min(len(data) - 8, _LONGEST_HEADER):
        raise InputError(f"a header within {len(data)} bytes", f"one of {length}", str(path), _DO)
    try:
        header = msgspec.json.decode(data[8 : 8 + length].tobytes(), type=dict[str, dict[str, Any]])
        header.pop("__metadata__", None)
        entries = msgspec.convert(header, dict[str, _Entry])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise InputError("a header of weights", str(error), str(path), _DO) from None
    body = data[8 + length :]
    return {name: _array(entry, body, f"{path}, {name}") for name, entry in entries.items()}


def _array(entry: _Entry, body: NDArray[np.uint8], where: str) -> NDArray[Any]:
    if entry.dtype not in _TYPES:
        raise InputError(f"numbers of type {', '.join(_TYPES)}", entry.dtype, where)
    dtype = np.dtype(_TYPES[entry.dtype])
    begin, end = entry.data_offsets
    if not 0 <= begin <= end <= len(body) or min(entry.shape, default=0) < 0:
        raise InputError("offsets within the file", f"{begin} to {end}", where, _DO)
    if math.prod(entry.shape) * dtype.itemsize != end - begin:
        raise InputError(f"the bytes of a shape {entry.shape}", str(end - begin), where, _DO)
    array = np.frombuffer(body[begin:end].tobytes(), dtype).reshape(entry.shape)
    if entry.dtype == "BF16":
        # The upper half of a float32.
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32) if entry.dtype in ("F16", "F64") else array
