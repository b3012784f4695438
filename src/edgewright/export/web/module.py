"""Generated C99 as a WebAssembly module without imports, by the compiler that `edgewright[web]` brings."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from edgewright.core import files
from edgewright.schema.errors import CheckFailedError, InputError, MissingExtraError

Files = Mapping[str, str]
MODULE = "model.wasm"
# Products and sums stay apart, as in every other C: the same bits.
_FLAGS = ("-std=c99", "-Os", "-ffp-contract=off", "-fno-math-errno", "-Wl,--strip-all")
_STREAM = "-DEDGEWRIGHT_STREAM"
# Without the system: in seconds, with most of the mathematics. With it, the first time, in a minute.
_FREE, _WHOLE = "wasm32-freestanding", "wasm32-wasi"
_SECONDS = 400.0
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


def compile_wasm(files: Files, name: str, *, taps: bool = False) -> bytes:
    """Compile generated C to a module that asks nothing of its host.

    Args:
        files: as `write_c99` gives them, and those of the stream where there is one.
        name: prefix of their names.
        taps: whether the stages can be seen, where it has any.

    Returns:
        The module: `export/web/module.c` says what it offers.

    Raises:
        MissingExtraError: the compiler is not installed.
        CheckFailedError: it refuses the code, or takes too long.
    """
    zig = need_zig("WebAssembly")
    stream = f"{name}_stream.h" in files
    header = files[f"{name}.h"]
    if f"{name}_context;" not in header:
        raise InputError("generated C with a context", "none", f"{name}.h", "Export it again")
    with tempfile.TemporaryDirectory(prefix="edgewright-") as location:
        folder = Path(location)
        for file, text in {**files, "module.c": _glue(name), "expf.c": _room("expf.c")}.items():
            (folder / file).write_text(text, encoding="utf-8")
        sources = [file for file in sorted(files) if file.endswith(".c") and "_self_test" not in file]
        defines = [
            f"-DEDGEWRIGHT_INT8={int(f'#define {name.upper()}_NETWORK_INPUTS ' in header)}",
            f"-DEDGEWRIGHT_GIVEN={_given(header, name)}",
            f"-DEDGEWRIGHT_LABEL={'answer.label' if _has(header, name, 'int label;') else '-1'}",
            f"-DEDGEWRIGHT_CONFIDENCE={'answer.confidence' if _has(header, name, 'float confidence;') else '0.0f'}",
            *([_STREAM] if stream else []),
            *([f"-D{name.upper()}_TAPS"] if taps and f"{name.upper()}_STAGES" in header else []),
        ]
        library = Path(str(resources.files("ziglang"))) / "lib/libc"
        free = [f"-isystem{library / 'include' / folder_name}" for folder_name in ("wasm-wasi-musl", "generic-musl")]
        mathematics = library / "musl/src/math"
        own = [f"-I{mathematics}", "-Dhidden=", str(mathematics / "exp2f_data.c"), "expf.c"]
        command = [*zig, "cc", *_FLAGS, *defines, *sources, "module.c", *own, "-o", MODULE]
        message = _run([*command, "-target", _FREE, *free, "-Wl,--no-entry"], folder)
        if "undefined symbol" in message:
            message = _run([*command, "-target", _WHOLE, "-mexec-model=reactor"], folder)
        if message:
            raise CheckFailedError(
                f"ziglang could not compile the C of {name} to WebAssembly: {message[:_MAX_MESSAGE]}"
            )
        return (folder / MODULE).read_bytes()


def _run(command: list[str], folder: Path) -> str:
    """Return the first error of the compiler; empty where it has none."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=zig_environment(), capture_output=True, text=True, timeout=_SECONDS, check=False,
            errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CheckFailedError(f"ziglang took longer than {_SECONDS:g} s") from None
    if not done.returncode:
        return ""
    lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
    return " ".join((lines or [f"status {done.returncode}"])[0].split())


def _glue(name: str) -> str:
    return _room("module.c").replace("@@", name.upper()).replace("@", name)


def _room(file: str) -> str:
    return (resources.files("edgewright.export.web") / file).read_text(encoding="utf-8")


def _has(header: str, name: str, field: str) -> bool:
    """Return whether the answer has a field."""
    return field in header.partition(f"}} {name}_answer;")[0].rpartition("typedef struct {")[2]


def _given(header: str, name: str) -> str:
    """Return the C of one number of an answer."""
    for field in ("probabilities", "prediction"):
        if _has(header, name, f"float {field}["):
            return f"answer.{field}[i]"
    return "answer.prediction"
