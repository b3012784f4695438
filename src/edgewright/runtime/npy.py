"""Arrays as bytes in NumPy's .npy format, without pickle."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

_KINDS = "biuf"


def to_npy(array: NDArray[Any]) -> bytes:
    """An array of numbers as the bytes of a .npy file."""
    out = io.BytesIO()
    npy_format.write_array(out, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def from_npy(data: bytes, where: str) -> NDArray[Any]:
    """The array of a .npy file.

    The header is compared with the length of the data before anything of the array's size is made.

    Raises:
        InputError: for other bytes, other types than numbers, or data that do not fill the shape.
    """
    file = io.BytesIO(data)
    try:
        if npy_format.read_magic(file) != (1, 0):
            raise ValueError("another version")
        shape, fortran, dtype = npy_format.read_array_header_1_0(file)
    except (ValueError, SyntaxError, TypeError, EOFError, KeyError, RecursionError, MemoryError) as error:
        raise InputError("an array file (.npy 1.0)", str(error).split("\n")[0][:80], where) from None
    rest = data[file.tell() :]
    if dtype.kind not in _KINDS or fortran or any(length < 0 for length in shape):
        raise InputError("an array of numbers in row order", f"type {dtype}", where)
    if math.prod(shape) * dtype.itemsize != len(rest):
        raise InputError(f"{math.prod(shape) * dtype.itemsize} bytes for the shape {shape}", str(len(rest)), where)
    try:
        return np.frombuffer(rest, dtype).reshape(shape)
    except ValueError:
        raise InputError("a possible shape", str(shape), where) from None
