"""Arrays as bytes in NumPy's .npy format: numbers only, no pickle, no header that is evaluated."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

_MAGIC = b"\x93NUMPY\x01\x00"
# NumPy's own reader parses the header as Python source; files from others are matched against what NumPy writes.
_HEADER = re.compile(
    rb"\{'descr': '([<|][fiub][1248])', 'fortran_order': False, 'shape': \(((?:[0-9]{1,12}, ?)*[0-9]{0,12})\), \} *\n"
)


def to_npy(array: NDArray[Any]) -> bytes:
    """An array of numbers as the bytes of a .npy file, little endian."""
    out = io.BytesIO()
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    npy_format.write_array(out, little, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def from_npy(data: bytes, where: str) -> NDArray[Any]:
    """The array of a .npy file.

    The shape is compared with the length of the data before anything of the array's size is made.

    Raises:
        InputError: for other bytes, other types than numbers, or data that do not fill the shape.
    """
    start = len(_MAGIC) + 2
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(data[start:end])
    if not data.startswith(_MAGIC) or header is None:
        raise InputError("an array file (.npy 1.0) of numbers in row order", "other bytes", where)
    shape = tuple(int(length) for length in header[2].replace(b" ", b"").split(b",") if length)
    try:
        dtype = np.dtype(header[1].decode("ascii"))
    except TypeError:
        raise InputError("an array of numbers", header[1].decode("ascii"), where) from None
    if math.prod(shape) * dtype.itemsize != len(data) - end:
        raise InputError(
            f"{math.prod(shape) * dtype.itemsize} bytes for the shape {shape}", str(len(data) - end), where
        )
    try:
        return np.frombuffer(data, dtype, offset=end).reshape(shape)
    except ValueError:
        raise InputError("a possible shape", str(shape), where) from None
