"""The compiler of the package ziglang, and running it or another compiler of the system."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgewright.core import files
from edgewright.schema.errors import CheckFailedError, MissingExtraError

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
