"""A model as Python modules for other systems, built here: no compiler on the device, and no Python headers."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePath

import msgspec

from edgewright.core.errors import UnknownNameError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.objects import (
    INDEX,
    INDEX_FORMAT,
    MODULE,
    NATIVE,
    NativeIndex,
    NativeModule,
    model_key,
)
from edgewright.export._extension.build import FLAGS, compiled
from edgewright.export._extension.model import compose
from edgewright.export.contract import Subject, Target
from edgewright.export.cores import need_zig
from edgewright.export.targets.extension import model_bytes

_README = """# {name}, {form}, compiled

Each folder holds the model as one Python module for one system. It runs in every CPython from 3.11 on that has its
global lock, without a compiler.

| file | bytes | needs |
|---|---|---|
{rows}

## With edgewright

Copy this folder and the package to the device, owned by root or by the user of the program, writable by nobody else:

    export {variable}=/opt/model/native
    edgewright predict model.edge --csv rows.csv --engine extension

Without `--engine`, the module is used where it is the fastest engine. The package's test vectors go through the module
before it answers. Where it cannot be used, `--engine extension` says why, and other engines answer. On Windows import
it.

## Without edgewright

    import array, sys
    sys.path.insert(0, "linux-aarch64")
    import edgewright_model
    answer = edgewright_model.row(array.array("f", [0.0] * {inputs}))

- `row` takes {inputs} numbers of float32, in the order of the input {shape}.
- It gives {answer}.
- `batch(rows, values{more})` fills memory for many rows: buffers of float32{kinds}.
- `DESCRIPTION` is JSON of shapes and outputs.
"""


def _check(subject: Subject) -> None:
    need_zig("other systems")
    compose(read_onnx(model_bytes(subject)))


def _files(subject: Subject) -> dict[str, bytes]:
    model = model_bytes(subject)
    built = build_for(model, subject.systems)
    files = {system: f"{system}/{MODULE}{SYSTEMS[system].suffix}" for system in built}
    index = NativeIndex(
        format=INDEX_FORMAT,
        model=model_key(model),
        modules={
            system: NativeModule(file=file, features=tuple(sorted(SYSTEMS[system].features)))
            for system, file in files.items()
        },
    )
    readme = _readme(subject, {files[system]: (len(built[system]), SYSTEMS[system].needs) for system in built})
    built_files = {files[system]: content for system, content in built.items()}
    return {**built_files, INDEX: msgspec.json.format(msgspec.json.encode(index)) + b"\n", "README.md": readme.encode()}


def _readme(subject: Subject, files: dict[str, tuple[int, str]]) -> str:
    shape = subject.graph.inputs[0].shape
    labels = ", ".join(f"{index} {label}" for index, label in enumerate(subject.graph.labels))
    classifies = any(output.name == "label" for output in subject.graph.outputs)
    named = f"the label's number ({labels})" if labels else "the label's number"
    return _README.format(
        name=subject.name, form=subject.form, variable=NATIVE,
        inputs=math.prod(shape), shape=" x ".join(map(str, shape)),
        rows="\n".join(f"| {file} | {size:,} | {needs} |" for file, (size, needs) in files.items()),
        answer=f"{named}, its confidence and the probabilities" if classifies else "the numbers of the answer",
        more=", labels, confidences" if classifies else "",
        kinds=", labels of int64" if classifies else "",
    )  # fmt: skip


def _note(_subject: Subject) -> str:
    return f"README.md says how a device loads them: {NATIVE}, or a plain import"


TARGET = Target(
    description="Python modules for Linux (x86-64, arm64, armhf, riscv64) and Windows, without their compilers",
    files=_files, check=_check, note=_note, networks=False,
)  # fmt: skip


# Products and sums stay apart, so that a system's answers are those of the others but for its mathematical library.
_FLAGS = (*FLAGS, "-ffp-contract=off", "-s", "-DEDGEWRIGHT_STABLE")
# The first link for a system makes parts of its library, which takes minutes.
_SECONDS = 550.0
_AT_ONCE = 2
_PE = "i386:x86-64"


@dataclass(frozen=True)
class System:
    """A system that the extension is built for.

    Attributes:
        options: of the compiler.
        features: that its processor must have, under the names of Linux.
        needs: the same, as its users know it.
        suffix: of the file.
    """

    options: tuple[str, ...]
    needs: str
    features: frozenset[str] = frozenset()
    suffix: str = ".abi3.so"


_GLIBC = "glibc 2.28 or newer"
_X86 = frozenset({"ssse3", "sse4_1", "sse4_2", "popcnt"})
# Named after `sys.platform` and `platform.machine()`, as `core.prediction.objects.this_system` gives them.
SYSTEMS = {
    "linux-x86_64": System(
        ("-target", "x86_64-linux-gnu.2.28", "-mcpu=x86_64_v2"), f"{_GLIBC}, SSE4.2 (x86-64-v2)", _X86
    ),
    "linux-aarch64": System(("-target", "aarch64-linux-gnu.2.28"), _GLIBC),
    "linux-armv7l": System(
        ("-target", "arm-linux-gnueabihf.2.28", "-mcpu=cortex_a7"), f"{_GLIBC}, NEON, VFPv4",
        frozenset({"neon", "vfpv4"}),
    ),
    "linux-riscv64": System(("-target", "riscv64-linux-gnu.2.28"), f"{_GLIBC}, RV64GC"),
    "windows-amd64": System(
        ("-target", "x86_64-windows-gnu", "-mcpu=x86_64_v2"), "64-bit Windows 10 or newer, SSE4.2", _X86, ".pyd"
    ),
}  # fmt: skip
# What generated code calls of Windows' own C library. With MinGW's instead, the first link takes six minutes.
_UCRT = """memcpy memset memmove memcmp strchr strlen exp log sin cos pow sqrt floor ceil
expf logf sinf cosf tanf tanhf powf sqrtf floorf ceilf roundf rintf fmodf atan2f erff fmaxf fminf truncf"""


def build_for(model: bytes, systems: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Compile a model for other systems.

    Args:
        model: ONNX bytes.
        systems: of `SYSTEMS`; all of them where none are named.

    Returns:
        Modules by system, in the order of `SYSTEMS`.

    Raises:
        UnknownNameError: for a system or an operator that nobody knows.
        MissingExtraError: without ziglang.
        InputError: for a model that cannot be read or written as C.
        CheckFailedError: when the compiler fails, or takes too long.
    """
    unknown = next((name for name in systems if name not in SYSTEMS), None)
    if unknown is not None:
        raise UnknownNameError("system", unknown, list(SYSTEMS), "--system")
    zig = need_zig("other systems")
    graph = read_onnx(model)

    def built(name: str) -> bytes:
        system = SYSTEMS[name]
        files, main = compose(graph, system.features)
        command = (*zig, "cc", *_FLAGS, *system.options)
        if system.suffix != ".pyd":
            return compiled(files, (*command, main, "-lm"), _SECONDS)
        # Compiled and linked apart: the headers of MinGW, and nothing of its libraries.
        before = [(*(word for word in command if word != "-shared"), "-c", main)]
        for library, names in (("python3", _names(files["python_abi.h"].decode())), ("ucrtbase", _UCRT.split())):
            files[f"{library}.def"] = "\n".join([f"LIBRARY {library}.dll", "EXPORTS", *names, ""]).encode()
            before.append((*zig, "dlltool", "-m", _PE, "-d", f"{library}.def", "-l", f"{library}.lib"))
        parts = (str(PurePath(main).with_suffix(".obj")), "python3.lib", "ucrtbase.lib")
        return compiled(files, (*command, "-nostdlib", *parts), _SECONDS, before)

    chosen = [name for name in SYSTEMS if not systems or name in systems]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(chosen, pool.map(built, chosen), strict=True))


def _names(header: str) -> list[str]:
    """Return the names that the header takes from Python, as the library to link with lists them."""
    functions = re.findall(r"^FROM_PYTHON .*?(\w+)\(", header, re.MULTILINE)
    return [
        *functions,
        *(f"{name} DATA" for name in re.findall(r"^FROM_PYTHON PyObject \*(\w+);", header, re.MULTILINE)),
    ]
