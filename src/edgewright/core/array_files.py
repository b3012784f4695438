"""Array files of NumPy (.npy, .npz) and MATLAB, within limits of memory and time."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import sys
import zipfile
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ArrayFileError, FileTooLargeError, InputError, MissingExtraError, error_line
from edgewright.core.files import free_bytes

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
        raise ArrayFileError("whole arrays of numbers or text", error_line(error, 120), where, _DO) from None


def _arrays(file: BinaryIO, where: str, names: Collection[str] | None) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(file) as archive:
        members = {name.removesuffix(_ENDING): info for name, info in archive.NameToInfo.items()}
        chosen = {name: info for name, info in members.items() if names is None or name in names}
        size, free = sum(info.file_size for info in chosen.values()), free_bytes()
        if size > free:
            raise FileTooLargeError(
                f"arrays of at most {free / 1e9:.1f} GB, as memory is free", f"{size / 1e9:.1f} GB", where
            )
        for name, info in chosen.items():
            with archive.open(info) as member:
                arrays[name] = _array(cast(BinaryIO, member), info.file_size, f"{where} {name}")
    return arrays


def _array(file: BinaryIO, size: int, where: str) -> Array:
    read_header = _HEADERS.get(np.lib.format.read_magic(file))
    if read_header is None:
        raise ArrayFileError("an .npy file of version 1.0 or 2.0", "another version", where, _DO)
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise ArrayFileError("arrays of numbers or text", "pickled objects", where, "Write them as texts (dtype U)")
    needed, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or not dtype.itemsize or needed > there:
        raise ArrayFileError(f"{needed:,} bytes for the shape {shape}", f"{max(0, there):,}", where, _DO)
    file.seek(0)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


# Bytes of writable memory: of Python with SciPy, and of each byte of the file. Zeros compress to a thousandth, but
# measurements hardly below a twentieth; the text of numbers takes as much again.
BASE_BYTES, BYTES_PER_BYTE = 512 << 20, 100
# Seconds: to start Python and SciPy on a slow machine, and for each megabyte.
BASE_S, S_PER_MEGABYTE = 60.0, 2.0
_FORBIDDEN = "odd"
_SAVE_AGAIN = "Save it again with the option '-v7'"


def read_mat(path: Path, where: str) -> dict[str, Array]:
    """Return the variables of a .mat file that are arrays of numbers or texts.

    Raises:
        InputError: another file, a damaged one, one that takes too much memory or time, or other variables.
        MissingExtraError: SciPy is not installed.
        OSError: the file cannot be read.
    """
    stat = path.stat()
    return dict(_read_matlab(path, stat.st_size, stat.st_mtime_ns, where))


# A command opens a file several times: for its columns, its first rows and its values.
@lru_cache(maxsize=1)
def _read_matlab(path: Path, size: int, _changed: int, where: str) -> dict[str, Array]:
    # An agent imports this module and must not load them.
    import subprocess  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    memory = int(min(BASE_BYTES + BYTES_PER_BYTE * size, max(BASE_BYTES, free_bytes())))
    seconds = BASE_S + S_PER_MEGABYTE * size / 1e6
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "arrays.npz"
        words = [sys.executable, "-m", __name__, str(path), str(out), str(memory)]
        # One thread: each thread of a BLAS maps memory of its own.
        settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            ended = subprocess.run(words, capture_output=True, timeout=seconds, env=settings, check=False)
        except subprocess.TimeoutExpired:
            raise ArrayFileError(
                "a .mat file", f"one that takes more than {seconds:.0f} s to read", where, _SAVE_AGAIN
            ) from None
        if ended.returncode:
            raise ArrayFileError(
                "a .mat file", f"one that ends its reader (exit code {ended.returncode})", where, _SAVE_AGAIN
            )
        result = json.loads(ended.stdout)
        if result.get("missing"):
            raise MissingExtraError("train", "SciPy, which reads .mat files,")
        if "error" in result:
            raise ArrayFileError("a .mat file", result["error"], where, _SAVE_AGAIN)
        for name, got in result[_FORBIDDEN].items():
            raise ArrayFileError("arrays of numbers or texts with one or two axes", got, f"{where} {name}")
        arrays = read_npz(out, where)
    return {name: arrays[f"arr_{number}"] for number, name in enumerate(result["names"])}


def main(arguments: list[str]) -> int:
    """Read FILE within MEMORY bytes; write its arrays to OUT and print their names as JSON.

    Args:
        arguments: FILE, OUT and MEMORY.
    """
    path, out, memory = arguments
    if importlib.util.find_spec("scipy") is None:
        print(json.dumps({"missing": True}))
        return 0
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        loadmat = importlib.import_module("scipy.io").loadmat
        variables = {name: np.asarray(value) for name, value in loadmat(path).items() if not name.startswith("__")}
        odd = {name: f"{a.dtype} {a.shape}" for name, a in variables.items() if a.dtype.hasobject or a.dtype.names}
        np.savez(out, *(variables.values() if not odd else ()))
        print(json.dumps({"names": list(variables), _FORBIDDEN: odd}))
    except Exception as error:  # noqa: BLE001 - its errors on damaged files are of many kinds
        print(json.dumps({"error": error_line(error)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
