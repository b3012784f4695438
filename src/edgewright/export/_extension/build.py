"""Compiling sources into a Python module in a temporary folder, with the system's compiler or that of ziglang."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import CheckFailedError
from edgewright.core.files import write_atomic
from edgewright.core.prediction.objects import cpu_features, is_host
from edgewright.core.records.network import Array
from edgewright.export.cores import compiler_name, run_compiler, zig_command

# -ffast-math is left out on purpose: with -ffinite-math-only the test for a missing value would disappear.
FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math")
HOW_TO_BUILD = "apt-get install gcc, or pip install 'edgewright[web]' for ziglang"
_LIBRARY = "module.so"
# For a processor that is not the compiler's own: an emulated one, or one that a test names.
_SAME = "ssse3 sse4_1 sse4_2 popcnt avx avx2 fma f16c bmi2 avx512f avx512bw avx512dq avx512vl"
_OPTIONS = {"pni": "-msse3", "bmi1": "-mbmi", "avx512_vnni": "-mavx512vnni", "avx_vnni": "-mavxvnni"}
_OPTIONS |= {name: f"-m{name.replace('_', '.')}" for name in _SAME.split()}


def command_of(name: str) -> tuple[str, ...]:
    """Return a program and its options as the words of a command; () where it is not here."""
    try:
        words = shlex.split(name)
    except ValueError:
        # A quotation mark without its other half names no program.
        return ()
    path = shutil.which(words[0]) if words else None
    return (path, *words[1:]) if path else ()


def compiler() -> tuple[str, ...]:
    """Return the C compiler as the words of a command: `CC` with its options, else cc, gcc, clang or ziglang's.

    Returns:
        () where there is none.
    """
    candidates = map(command_of, (os.environ.get("CC", ""), "cc", "gcc", "clang"))
    zig = zig_command()
    return next(filter(None, candidates), (*zig, "cc") if zig else ())


def is_zig() -> bool:
    """Return whether the compiler is that of ziglang, which makes parts of its library the first time."""
    zig = zig_command()
    return bool(zig) and compiler()[: len(zig)] == zig


def can_build() -> bool:
    """Return whether a compiler is here, and Python's headers or a Python that has the stable interface."""
    return bool(compiler()) and (_has_headers() or _is_stable())


def _has_headers() -> bool:
    return (Path(sysconfig.get_paths()["include"]) / "Python.h").exists()


def _is_stable() -> bool:
    """Return whether this Python has the interface of `python_abi.h`: CPython with its global lock."""
    return sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")


def flags() -> tuple[str, ...]:
    """Return options of the compiler: everything this processor has, for a cache that no other processor reads."""
    features = cpu_features()
    wide = ("-mprefer-vector-width=512",) if "avx512f" in features else ()
    # Without a word ziglang compiles for the processor that it runs on.
    named = ("-mcpu=baseline",) if is_zig() else ()
    listed = (*named, *(option for name, option in _OPTIONS.items() if name in features))
    return (*FLAGS, *(("-march=native",) if is_host() else listed), *wide)


def compile_module(files: Mapping[str, bytes], main: str, target: Path, seconds: float) -> None:
    """Compile one source that includes the others, for this machine.

    Args:
        files: all sources by name.
        main: the one to compile.
        target: the shared library, written whole or not at all.
        seconds: longest time.

    Raises:
        CheckFailedError: without a compiler, when it fails, or takes too long.
        OutputError: when the library cannot be written.
    """
    if not can_build():
        raise CheckFailedError("building the extension needs a C compiler", HOW_TO_BUILD)
    python = "-I" + sysconfig.get_paths()["include"] if _has_headers() else "-DEDGEWRIGHT_STABLE"
    write_atomic(target, compiled(files, (*compiler(), *flags(), python, main, "-lm"), seconds))


def compiled(
    files: Mapping[str, bytes], command: Sequence[str], seconds: float, before: Sequence[Sequence[str]] = ()
) -> bytes:
    """Return the library that a compiler makes of sources.

    Args:
        files: all sources by name.
        command: the compiler and its options, without the name of the library.
        seconds: longest time.
        before: commands to run first, in the same folder.

    Raises:
        CheckFailedError: when a command fails, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="edgewright-") as location:
        for name, data in files.items():
            (Path(location) / name).write_bytes(data)
        for words in (*before, (*command, "-o", _LIBRARY)):
            if message := run_compiler(words, Path(location), seconds):
                raise CheckFailedError(f"{compiler_name(words)} could not compile the extension: {message}")
        return (Path(location) / _LIBRARY).read_bytes()


GROUP = 16
_ALIGNMENT = 64
# Of integer sums, by the best feature of a processor: 32 registers of 16 sums, 16 of 8, 16 of 4, 32 of 4 (arm64).
_MOST_GROUPS = {"avx512_vnni": 16, "avx2": 6, "ssse3": 3, "": 6}


@dataclass
class Blob:
    """The constants of a model in one file that the compiler includes as it is: text would take minutes to compile."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, array: Array) -> int:
        """Append an array; give its place in bytes, a multiple of 64."""
        data = np.ascontiguousarray(array).tobytes()
        index = self.size
        data += bytes(-len(data) % _ALIGNMENT)
        self.parts.append(data)
        self.size += len(data)
        return index

    def bytes(self) -> bytes:
        """All parts; never empty, and with room behind, because kernels read whole vectors."""
        return b"".join(self.parts) + bytes(_ALIGNMENT)


@dataclass(frozen=True)
class Site:
    """Where a dense layer reads and writes, as C: `rows` rows, their inputs `step` and their outputs `stride` apart.

    The inputs of a row are `lines` lines, `down` apart.
    """

    source: str
    target: str
    rows: str = "1"
    step: int = 0
    stride: int = 0
    lines: int = 1
    down: int = 0


def most_groups(integer: bool, features: frozenset[str]) -> int:
    """Return how many groups' sums a processor's registers hold: more would spill, fewer would wait for each other."""
    if not integer:
        return 4
    return next(count for needed, count in _MOST_GROUPS.items() if needed in features or not needed)


def blocks(outputs: int, maximum: int) -> list[tuple[int, int]]:
    """First output and number of groups of each block that is computed at once, at most `maximum` groups, evenly."""
    groups = -(-outputs // GROUP)
    count = -(-groups // maximum)
    sizes = [groups // count + (i < groups % count) for i in range(count)]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) * GROUP
    return [(int(start), size) for start, size in zip(starts, sizes, strict=True)]


def float_block(weights: Array, start: int, groups: int) -> NDArray[np.float32]:
    """Return weights (outputs, inputs) as [inputs][groups * 16]."""
    block = np.zeros((weights.shape[1], groups * GROUP), np.float32)
    part = weights[start : start + groups * GROUP]
    block[:, : len(part)] = part.T
    return block


def byte_block(weights: Array, start: int, groups: int) -> NDArray[np.int8]:
    """Return weights (outputs, inputs) as [inputs / 4][groups * 16][4]."""
    quads = -(-weights.shape[1] // 4)
    part = weights[start : start + groups * GROUP]
    block = np.zeros((groups * GROUP, quads * 4), np.int8)
    block[: len(part), : weights.shape[1]] = part
    return np.ascontiguousarray(block.reshape(groups * GROUP, quads, 4).transpose(1, 0, 2))


def within_bytes(weights: Array) -> tuple[Array, ...]:
    """Return weights as addends of at least -127, which the kernels can negate: itself, nearly always."""
    if weights.min(initial=0) > -128:
        return (weights,)
    upper = np.maximum(weights, -127)
    return upper, weights - upper


def tap_groups(weights: Array, count: int) -> Array:
    """Depthwise weights (height, width, filters) as [taps / count, rounded up][filters in whole groups][count]."""
    filters = weights.shape[-1]
    taps = weights.reshape(-1, filters)
    grouped = np.zeros((-(-len(taps) // count) * count, -(-filters // GROUP) * GROUP), weights.dtype)
    grouped[: len(taps), :filters] = taps
    return np.ascontiguousarray(grouped.reshape(-1, count, grouped.shape[1]).transpose(0, 2, 1))


def padded(array: Array, start: int, groups: int) -> Array:
    """Return a row of numbers by output, cut to a block and filled with zeros."""
    row = np.zeros(groups * GROUP, array.dtype)
    part = array[start : start + groups * GROUP]
    row[: len(part)] = part
    return row


def byte_bias(weights: Array, bias: Array, zero: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return what sums start from for inputs of bytes + 128 and for signed ones; weights have shape (outputs, inputs).

    sum (x - zero) w = sum (x + 128) w - (128 + zero) sum w. All of it wraps at 32 bits as the sums of the hardware do;
    the result is right because the whole sum fits (core/kernels, `sums`).
    """
    total = weights.astype(np.int64).sum(axis=1)
    signed = bias.astype(np.int64) - zero * total
    return (signed - 128 * total).astype(np.int32), signed.astype(np.int32)
