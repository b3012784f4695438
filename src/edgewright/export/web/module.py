"""Generated C99 as a WebAssembly module without imports, by the compiler that `edgewright[web]` brings."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from edgewright.export.zig import need_zig, run_compiler
from edgewright.schema.errors import CheckFailedError, InputError

Files = Mapping[str, str]
MODULE = "model.wasm"
# Products and sums stay apart, as in every other C: the same bits.
_FLAGS = ("-std=c99", "-Os", "-ffp-contract=off", "-fno-math-errno", "-Wl,--strip-all")
_STREAM = "-DEDGEWRIGHT_STREAM"
# Without the system: in seconds, with most of the mathematics. With it, the first time, in a minute.
_FREE, _WHOLE = "wasm32-freestanding", "wasm32-wasi"


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
        message = run_compiler([*command, "-target", _FREE, *free, "-Wl,--no-entry"], folder)
        if "undefined symbol" in message:
            message = run_compiler([*command, "-target", _WHOLE, "-mexec-model=reactor"], folder)
        if message:
            raise CheckFailedError(f"ziglang could not compile the C of {name} to WebAssembly: {message}")
        return (folder / MODULE).read_bytes()


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
