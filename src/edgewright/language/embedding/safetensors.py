"""Files of weights in the format safetensors: a header in JSON, then arrays; no code in them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.files import os_errors
from edgewright.schema.errors import InputError, OutputError

_LONGEST_HEADER = 100 << 20
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1", "BF16": "<u2",
}  # fmt: skip
_DO = "Download the model again; the file is damaged or has a newer format"


class Entry(msgspec.Struct):
    """What the header says of an array."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return arrays by name; floats of 16 bits as float32.

    Raises:
        InputError: no such file, a header that is none, offsets outside the file, or a type of number that is not
            known here.
    """
    entries, begin = read_header(path)
    with os_errors(InputError, "a file of weights", path):
        body = np.fromfile(path, np.uint8, offset=begin)
    return {name: _array(entry, body, f"{path}, {name}") for name, entry in entries.items()}


def read_header(path: Path) -> tuple[dict[str, Entry], int]:
    """Return the entries of the arrays by name, and the byte at which the arrays begin.

    Raises:
        InputError: no such file, or a header that is none.
    """
    with os_errors(InputError, "a file of weights", path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise InputError("a file of weights", f"{size} bytes", str(path), _DO)
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, _LONGEST_HEADER):
            raise InputError(f"a header within {size} bytes", f"one of {length}", str(path), _DO)
        text = file.read(length)
    try:
        header = msgspec.json.decode(text, type=dict[str, dict[str, Any]])
        header.pop("__metadata__", None)
        return msgspec.convert(header, dict[str, Entry]), 8 + length
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise InputError("a header of weights", str(error), str(path), _DO) from None


def write_safetensors(path: Path, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Write arrays of float32.

    Raises:
        OutputError: the file cannot be written.
    """
    header, begin = dict[str, Any](), 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": (begin, begin + array.nbytes)}
        begin += array.nbytes
    text = msgspec.json.encode(header)
    with os_errors(OutputError, f"to write {begin} bytes", path, "Free some space"), path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(array.astype("<f4").tobytes())


def _array(entry: Entry, body: NDArray[np.uint8], where: str) -> NDArray[Any]:
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
