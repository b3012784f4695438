"""MATLAB files up to version 7, parsed by SciPy in a separate process with limits of memory and time.

A damaged file can end SciPy's parser with a segmentation fault, or make it read a shape of gigabytes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.array_files import read_npz
from edgewright.core.free_memory import free_bytes
from edgewright.schema.errors import InputError, MissingExtraError

Array = NDArray[Any]
# Bytes of writable memory: of Python with SciPy, and of each byte of the file. Zeros compress to a thousandth, but
# measurements hardly below a twentieth; the text of numbers takes as much again.
BASE_BYTES, BYTES_PER_BYTE = 512 << 20, 100
# Seconds: to start Python and SciPy on a slow machine, and for each megabyte.
BASE_S, S_PER_MEGABYTE = 60.0, 2.0
_FORBIDDEN = "odd"
_DO = "Save it again with the option '-v7'"


def read_mat(path: Path, where: str) -> dict[str, Array]:
    """Return the variables of a .mat file that are arrays of numbers or texts.

    Raises:
        InputError: another file, a damaged one, one that takes too much memory or time, or other variables.
        MissingExtraError: SciPy is not installed.
        OSError: the file cannot be read.
    """
    stat = path.stat()
    return dict(_read(path, stat.st_size, stat.st_mtime_ns, where))


# A command opens a file several times: for its columns, its first rows and its values.
@lru_cache(maxsize=1)
def _read(path: Path, size: int, _changed: int, where: str) -> dict[str, Array]:
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
            raise InputError("a .mat file", f"one that takes more than {seconds:.0f} s to read", where, _DO) from None
        if ended.returncode:
            raise InputError("a .mat file", f"one that ends its reader (exit code {ended.returncode})", where, _DO)
        result = json.loads(ended.stdout)
        if result.get("missing"):
            raise MissingExtraError("train", "SciPy, which reads .mat files,")
        if "error" in result:
            raise InputError("a .mat file", result["error"], where, _DO)
        for name, got in result[_FORBIDDEN].items():
            raise InputError("arrays of numbers or texts with one or two axes", got, f"{where} {name}")
        arrays = read_npz(out, where)
    return {name: arrays[f"arr_{number}"] for number, name in enumerate(result["names"])}


def main(arguments: list[str]) -> int:
    """Read FILE within MEMORY bytes; write its arrays to OUT and print their names as JSON.

    Args:
        arguments: FILE, OUT and MEMORY.
    """
    path, out, memory = arguments
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        loadmat = importlib.import_module("scipy.io").loadmat
    except ImportError:
        print(json.dumps({"missing": True}))
        return 0
    try:
        variables = {name: np.asarray(value) for name, value in loadmat(path).items() if not name.startswith("__")}
        odd = {name: f"{a.dtype} {a.shape}" for name, a in variables.items() if a.dtype.hasobject or a.dtype.names}
        np.savez(out, *(variables.values() if not odd else ()))
        print(json.dumps({"names": list(variables), _FORBIDDEN: odd}))
    except Exception as error:  # noqa: BLE001 - its errors on damaged files are of many kinds
        print(json.dumps({"error": " ".join(str(error).split())[:200] or type(error).__name__}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
