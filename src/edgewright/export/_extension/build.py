"""Compiling sources into a Python module with the system's compiler, in a temporary folder."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgewright.core.files import write_atomic
from edgewright.core.processor import cpu_features, is_host
from edgewright.schema.errors import CheckFailedError

# -ffast-math is left out on purpose: with -ffinite-math-only the test for a missing value would disappear.
_FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math")
_SAID = 300
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
    found = shutil.which(words[0]) if words else None
    return (found, *words[1:]) if found else ()


def compiler() -> tuple[str, ...]:
    """Return the C compiler as the words of a command: `CC` with its options, else cc, gcc or clang; () for none."""
    found = map(command_of, (os.environ.get("CC", ""), "cc", "gcc", "clang"))
    return next(filter(None, found), ())


def can_build() -> bool:
    """Return whether a compiler and Python's headers are here."""
    return bool(compiler()) and (Path(sysconfig.get_paths()["include"]) / "Python.h").exists()


def flags() -> tuple[str, ...]:
    """Return options of the compiler: everything this processor has, for a cache that no other processor reads."""
    features = cpu_features()
    wide = ("-mprefer-vector-width=512",) if "avx512f" in features else ()
    mine = ("-march=native",) if is_host() else (option for name, option in _OPTIONS.items() if name in features)
    return (*_FLAGS, *mine, *wide)


def compile_module(files: Mapping[str, bytes], main: str, target: Path, seconds: float) -> None:
    """Compile one source that includes the others.

    Args:
        files: all sources by name.
        main: the one to compile.
        target: the shared library, written whole or not at all.
        seconds: longest time.

    Raises:
        CheckFailedError: without a compiler, when it fails, or takes too long.
        OutputError: when the library cannot be written.
    """
    found = compiler()
    if not found or not can_build():
        raise CheckFailedError(
            "building the extension needs a C compiler and Python's headers", "apt-get install gcc python3-dev"
        )
    with tempfile.TemporaryDirectory(prefix="edgewright-") as location:
        for name, data in files.items():
            (Path(location) / name).write_bytes(data)
        include = "-I" + sysconfig.get_paths()["include"]
        command = [*found, *flags(), include, main, "-lm", "-o", "module.so"]
        try:
            done = subprocess.run(
                command, cwd=location, capture_output=True, text=True, timeout=seconds, check=False, errors="replace"
            )
        except subprocess.TimeoutExpired:
            raise CheckFailedError(f"the compiler took longer than {seconds:g} s over the extension") from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            text = " ".join((lines or [f"status {done.returncode}"])[0].split())
            raise CheckFailedError(f"{Path(found[0]).name} could not compile the extension: {text[:_SAID]}")
        write_atomic(target, (Path(location) / "module.so").read_bytes())
