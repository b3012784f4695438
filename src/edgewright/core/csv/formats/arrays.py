"""Arrays of NumPy and MATLAB: a column each, or a matrix with a row a sample beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.array_files import is_archive, read_npz
from edgewright.core.csv.formats import Format
from edgewright.core.csv.text import WINDOWS
from edgewright.core.matlab_files import read_mat
from edgewright.schema.errors import InputError

Array = NDArray[Any]
_HDF5 = b"\x89HDF"


def _rows(path: Path, name: str) -> Iterator[Sequence[object]]:
    arrays = _matlab(path, name) if path.suffix.lower() == ".mat" else _numpy(path, name)
    yield from table_of(arrays, name)


def table_of(arrays: Mapping[str, Array], name: str) -> Iterator[Sequence[object]]:
    """Yield the names of columns, then rows; a matrix X has columns x0, x1, ...

    Raises:
        InputError: arrays of other shapes, or of different lengths.
    """
    columns: list[tuple[str, Array]] = []
    lower = [key.lower() for key, array in arrays.items() if array.ndim == 2]
    for key, array in arrays.items():
        if array.ndim not in (1, 2) or array.dtype.kind not in "biufUS":
            raise InputError(
                "arrays of numbers or texts with one or two axes", f"{array.dtype} {array.shape}", f"{name} {key}"
            )
        if array.dtype.kind == "S":
            array = decoded(array, f"{name} {key}")
        if array.ndim == 1:
            columns.append((key, array))
        else:
            head = key if lower.count(key.lower()) > 1 else key.lower()
            columns += [(f"{head}{index}", column) for index, column in enumerate(array.T)]
    lengths = {key: len(column) for key, column in columns}
    if len(set(lengths.values())) != 1:
        raise InputError("arrays of one length", ", ".join(f"{k} {n}" for k, n in lengths.items()) or "none", name)
    yield [key for key, _ in columns]
    yield from zip(*(column.tolist() for _, column in columns), strict=True)


def decoded(array: Array, where: str) -> Array:
    """Return an array of bytes as text.

    Raises:
        InputError: bytes of no known encoding.
    """
    for encoding in ("utf-8", WINDOWS):
        try:
            return np.char.decode(array, encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"texts in UTF-8 or {WINDOWS}", "other bytes", where, "Write them as texts (dtype U)")


def is_table(path: Path) -> bool:
    """Return whether an .npz file holds columns or matrices, and no windows."""
    try:
        return all(array.ndim < 3 for array in _numpy(path, path.name).values())
    except InputError:
        return False


def holds_columns(path: Path) -> bool:
    """Return whether an .npz file holds columns by their names alone, and not samples X."""
    try:
        arrays = _numpy(path, path.name)
    except InputError:
        return False
    return "X" not in arrays and all(array.ndim == 1 for array in arrays.values())


def _numpy(path: Path, name: str) -> dict[str, Array]:
    try:
        if not is_archive(path):
            raise InputError("an .npz file", "another file, perhaps one array as an .npy file has it", name,
                             "Call it .npy, or write it with numpy.savez")  # fmt: skip
        return read_npz(path, name)
    except OSError as error:
        raise InputError("an .npz file", error.strerror or str(error), name, "Write it with numpy.savez") from None


def _matlab(path: Path, name: str) -> dict[str, Array]:
    with path.open("rb") as file:
        if b"MATLAB 7.3" in (opening := file.read(128)) or opening.startswith(_HDF5):
            raise InputError("a .mat file up to version 7", "version 7.3", name, "Save it with the option '-v7'")
    return {key: array.ravel() if 1 in array.shape else array for key, array in read_mat(path, name).items()}


FORMAT = Format((".npz", ".mat"), _rows)
