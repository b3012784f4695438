"""Array files of NumPy (.npy, .npz), whose shapes are compared with the size of the file before anything is read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from edgewright.core.free_memory import free_bytes
from edgewright.schema.errors import InputError

Array = NDArray[Any]
_ENDING = ".npy"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_DO = "Write it again with numpy.save or numpy.savez"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive of arrays, whatever it is called."""
    with path.open("rb") as file:
        return file.read(4) in _ZIP


def read_npy(path: Path, where: str) -> Array:
    """Return the array of an .npy file.

    Raises:
        InputError: another file, pickled objects, or fewer bytes than the shape needs.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return cast(Array, _read(lambda: _array(file, path.stat().st_size, where), where))


def read_npz(path: Path, where: str, names: Collection[str] | None = None) -> dict[str, Array]:
    """Return arrays of an .npz file by their names.

    Args:
        path: path of the file.
        where: its name, for errors.
        names: of the arrays that are read, where they are there; all when None.

    Raises:
        InputError: another file, pickled objects, fewer bytes than a shape needs, or more than the memory holds.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return cast(dict[str, Array], _read(lambda: _arrays(file, where, names), where))


def npz_names(path: Path, where: str) -> tuple[str, ...]:
    """Return the names of the arrays of an .npz file; errors as of `read_npz`."""

    def read() -> tuple[str, ...]:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(_ENDING) for name in archive.namelist())

    return cast(tuple[str, ...], _read(read, where))


def _read(read: Any, where: str) -> Any:  # noqa: ANN401 - a function without arguments, and what it returns
    try:
        return read()
    except (InputError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - errors of damaged archives and headers are of many kinds
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError("whole arrays of numbers or text", text, where, _DO) from None


def _arrays(file: BinaryIO, where: str, names: Collection[str] | None) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(file) as archive:
        members = {name.removesuffix(_ENDING): info for name, info in archive.NameToInfo.items()}
        chosen = {name: info for name, info in members.items() if names is None or name in names}
        size, free = sum(info.file_size for info in chosen.values()), free_bytes()
        if size > free:
            raise InputError(f"arrays of at most {free / 1e9:.1f} GB, as memory is free", f"{size / 1e9:.1f} GB", where)
        for name, info in chosen.items():
            with archive.open(info) as member:
                arrays[name] = _array(cast(BinaryIO, member), info.file_size, f"{where} {name}")
    return arrays


def _array(file: BinaryIO, size: int, where: str) -> Array:
    """Return the array of an open file of `size` bytes."""
    read_header = _HEADERS.get(np.lib.format.read_magic(file))
    if read_header is None:
        raise InputError("an .npy file of version 1.0 or 2.0", "another version", where, _DO)
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise InputError("arrays of numbers or text", "pickled objects", where, "Write them as texts (dtype U)")
    needed, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or not dtype.itemsize or needed > there:
        raise InputError(f"{needed:,} bytes for the shape {shape}", f"{max(0, there):,}", where, _DO)
    file.seek(0)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array
