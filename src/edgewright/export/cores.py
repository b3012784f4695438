"""Code variants by core: portable C99, dual 16-bit multipliers, or vectors (docs/research/generated-code.md)."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgewright.core import files
from edgewright.core.errors import CheckFailedError, MissingExtraError
from edgewright.core.records.network import IntegerNetwork

# Cores with the DSP extension of Arm.
_TWO_MULTIPLIERS = frozenset({"cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"})
# Those with vector instructions, and how they are called.
_VECTORS = {"cortex-m55": "helium", "riscv32v": "rvv"}
# Those that nobody has measured, and the core whose code an estimate counts.
_COUNTED_AS = {"cortex-m55": "cortex-m33"}
# Loops that are unrolled four times instead of twice take some hundred bytes more: a hundredth of what they read.
_LARGE = 16384
# Bytes of flash up to which every one counts.
_SMALL_FLASH = 65536
SHORT, LONG = 2, 4
"""How often a loop is unrolled, for size and for speed."""


def vectors_of(core: str) -> str:
    """Return how a core's vector instructions are called: `helium`, `rvv`; empty where it has none."""
    return _VECTORS.get(core, "")


def counted_as(core: str) -> str:
    """Return the core whose code an estimate counts: one without vectors where nobody has measured those."""
    return _COUNTED_AS.get(core, core)


def unrolled(network: IntegerNetwork | None, core: str, flash: float = 0.0) -> int:
    """Return how often loops are unrolled for a core with two multipliers; 0 for portable code.

    Args:
        network: the integers of a pipeline; None for a float one, which is portable.
        core: as profiles name it; empty for any.
        flash: bytes of the device; 0 where they are not known.
    """
    if network is None or core not in _TWO_MULTIPLIERS:
        return 0
    weights = sum(operator.arrays["weights"].size for operator in network.operators if "weights" in operator.arrays)
    return SHORT if weights < _LARGE or 0 < flash <= _SMALL_FLASH else LONG


def has_floats(core: str) -> bool:
    """Return whether a core may have float instructions, which the compiler says for certain.

    Args:
        core: as profiles name it; empty for any.
    """
    return core in _TWO_MULTIPLIERS


_MAX_MESSAGE = 300


def zig_command() -> tuple[str, ...]:
    """Return the words that start the compiler; () where it is not installed."""
    return (sys.executable, "-m", "ziglang") if importlib.util.find_spec("ziglang") is not None else ()


def need_zig(system: str) -> tuple[str, ...]:
    """Return the words that start the compiler for a system.

    Raises:
        MissingExtraError: it is not installed.
    """
    if not (zig := zig_command()):
        raise MissingExtraError("web", f"ziglang, the compiler for {system},")
    return zig


def zig_environment() -> dict[str, str]:
    """Return the environment of the compiler, with its caches below the user's cache folder."""
    folder = str(files.cache_folder("zig"))
    return {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder, **os.environ}


def compiler_name(command: Sequence[str]) -> str:
    """Return the name of the compiler that a command starts, for messages."""
    return "ziglang" if "ziglang" in command else Path(command[0]).name


def run_compiler(command: Sequence[str], folder: Path, seconds: float = 400.0) -> str:
    """Run a compiler in a folder and return the first line with an error; empty if it succeeds.

    Raises:
        CheckFailedError: it takes longer than `seconds`.
    """
    environment = zig_environment() if "ziglang" in command else None
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False,
            errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CheckFailedError(f"{compiler_name(command)} took longer than {seconds:g} s") from None
    if not done.returncode:
        return ""
    lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
    return " ".join((lines or [f"status {done.returncode}"])[0].split())[:_MAX_MESSAGE]
