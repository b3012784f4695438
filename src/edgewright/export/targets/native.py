"""A model as Python modules for other systems, built here: no compiler on the device, and no Python headers."""

from __future__ import annotations

import math

import msgspec

from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.native_modules import (
    INDEX,
    INDEX_FORMAT,
    MODULE,
    NATIVE,
    NativeIndex,
    NativeModule,
    model_key,
)
from edgewright.export._extension.cross import SYSTEMS, build_for
from edgewright.export._extension.model import compose
from edgewright.export.contract import Subject, Target
from edgewright.export.targets.extension import model_bytes
from edgewright.export.web.module import need_zig

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
