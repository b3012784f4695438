"""Language models in GGUF, which a local server such as llama.cpp's runs; here their header is read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import os
import shutil
import struct
from pathlib import Path
from typing import IO, Any, NamedTuple

from edgewright.core.files import os_errors
from edgewright.language.own_models import Figures, ModelKind
from edgewright.schema.errors import InputError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Weights and bytes of a block by type of tensor; no type takes less than a bit a weight.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2),
}  # fmt: skip
_BIT = (8, 1)
_MAX_ENTRIES, _MAX_BYTES = 1 << 20, 1 << 28
_DO = "Fetch the file again; it is damaged or incomplete"


class Header(NamedTuple):
    """Values by key (arrays as their length), weights, and the bytes that a whole file has."""

    values: dict[str, Any]
    weights: int
    size: int


def read_header(path: Path) -> Header:
    """Read the header of a GGUF file.

    Raises:
        InputError: another file, another version, or one that ends too early.
    """
    with os_errors(InputError, "a GGUF file", path), path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise InputError("a GGUF file", "another file", str(path))
        version = int.from_bytes(file.read(4), "little")
        if version not in _VERSIONS:
            raise InputError("GGUF version 2 or 3", str(version), str(path), "Convert the model with a newer tool")
        try:
            header = _header(file)
        except (struct.error, OverflowError, ValueError) as error:
            raise InputError("a whole GGUF header", str(error), str(path), _DO) from None
        size = os.fstat(file.fileno()).st_size
        if header.size > size:
            raise InputError(f"{min(header.size, 1 << 63):,} bytes", f"{size:,}", str(path), _DO)
    return header


def _header(file: IO[bytes]) -> Header:
    tensors, entries = _number(file, "Q"), _number(file, "Q")
    if max(tensors, entries) > _MAX_ENTRIES:
        raise ValueError(f"{tensors} tensors and {entries} values")
    values: dict[str, Any] = {}
    for _ in range(entries):
        key = _text(file)
        values[key] = _value(file, _number(file, "I"))
    weights = end = 0
    for _ in range(tensors):
        _text(file)
        axes = _number(file, "I")
        if axes > 8:
            raise ValueError(f"a tensor of {axes} axes")
        count = math.prod(_number(file, "Q") for _ in range(axes))
        weights += count
        block, size = _BLOCKS.get(_number(file, "I"), _BIT)
        end = max(end, _number(file, "Q") + count * size // block)
    align = max(1, int(values.get("general.alignment", 32)))
    return Header(values, weights, -(-file.tell() // align) * align + end)


def _number(file: IO[bytes], code: str) -> Any:  # noqa: ANN401 - of the format's types
    return struct.unpack(f"<{code}", file.read(struct.calcsize(code)))[0]


def _text(file: IO[bytes]) -> str:
    length = _number(file, "Q")
    if length > _MAX_BYTES:
        raise ValueError(f"a text of {length} bytes")
    return file.read(length).decode()


def _value(file: IO[bytes], kind: int) -> Any:  # noqa: ANN401 - of the format's types
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        return _number(file, _code(kind))
    inner, length = _number(file, "I"), _number(file, "Q")
    if length > _MAX_BYTES:
        raise ValueError(f"an array of {length} values")
    if inner == _STRING:
        for _ in range(length):
            _text(file)
    else:
        file.seek(length * struct.calcsize(_code(inner)), os.SEEK_CUR)
    return length


def _code(kind: int) -> str:
    if kind not in _NUMBERS:
        raise ValueError(f"a value of type {kind}")
    return _NUMBERS[kind]


def _matches(path: Path) -> bool:
    if not path.is_file():
        return False
    with os_errors(InputError, "a file of a model", path), path.open("rb") as file:
        return file.read(4) == _MAGIC


def _copy(source: Path, target: Path) -> str:
    shutil.copyfile(source, target / source.name)
    return source.name


def _test(path: Path) -> tuple[str, Figures]:
    header = read_header(path)
    architecture = str(header.values.get("general.architecture", ""))
    if not architecture or not header.weights:
        got = "no architecture" if header.weights else "no tensors"
        raise InputError("a language model in GGUF", got, path.name, "Name the file with the weights")
    figures: Figures = {"architecture": architecture, "weights": header.weights}
    context = header.values.get(f"{architecture}.context_length")
    return "phrasing", {**figures, **({"context_tokens": context} if isinstance(context, int) else {})}


KIND = ModelKind(
    "a language model (.gguf)",
    _matches,
    _copy,
    _test,
    licence=lambda path: str(read_header(path).values.get("general.license", "")),
)
