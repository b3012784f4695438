"""Compiling sources into a Python module in a temporary folder, with the system's compiler or that of ziglang."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgewright.core.files import write_atomic
from edgewright.core.prediction.processor import cpu_features, is_host
from edgewright.export.zig import compiler_name, run_compiler, zig_command
from edgewright.schema.errors import CheckFailedError

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
