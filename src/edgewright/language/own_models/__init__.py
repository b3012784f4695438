"""Kinds of models that `edgewright models add` takes, one file a kind: each offers `KIND`, a `ModelKind`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx.external_data_helper import uses_external_data

from edgewright.core.catalogue import find, listing
from edgewright.schema.errors import InputError

Figures = dict[str, str | int | float]


@dataclass(frozen=True)
class ModelKind:
    """A kind of models.

    Attributes:
        title: for people, with the files that it consists of.
        matches: whether a file or folder is meant to be one; looks at names and headers alone.
        copy: copies what is needed into an empty folder, and returns what loaders take of it: a file's name, or
            nothing for the folder. Says which file is missing.
        test: loads the copy, runs it, and returns its role ('text', 'picture', 'sound', 'backbone' or 'phrasing') and
            what was measured. Raises an `InputError` where answers are wrong.
        licence: what a header says of the licence; empty where it does not.
    """

    title: str
    matches: Callable[[Path], bool]
    copy: Callable[[Path, Path], str]
    test: Callable[[Path], tuple[str, Figures]]
    licence: Callable[[Path], str] = lambda _: ""


def kind_of(path: Path) -> tuple[str, ModelKind]:
    """Return the kind of a file or folder, and its name.

    Raises:
        InputError: nothing there, or a model of no known kind.
    """
    kinds: dict[str, ModelKind] = {name: find(__name__, name, "KIND", "kind") for name in listing(__name__, "KIND")}
    if not path.exists():
        raise InputError("a file or folder of a model", "no such path", str(path))
    for name, kind in kinds.items():
        if kind.matches(path):
            return name, kind
    content = sorted(file.name for file in path.iterdir())[:8] if path.is_dir() else []
    got = (
        f"a folder with {', '.join(content) or 'nothing'}" if path.is_dir() else f"a file {path.suffix or 'of no type'}"
    )
    raise InputError(
        f"one of: {'; '.join(kind.title for kind in kinds.values())}", got, str(path),
        "Name the folder with all files of the model",
    )  # fmt: skip


def _read(path: Path) -> onnx.GraphProto:
    """Return the graph of an ONNX file without its external weights; an empty one of another file."""
    try:
        return onnx.load(str(path), load_external_data=False).graph
    except Exception:  # noqa: BLE001 - protocol buffers' own errors; who loads the file says what is wrong
        return onnx.GraphProto()


def onnx_inputs(path: Path) -> set[str]:
    """Return the names of the inputs of an ONNX file; none of another file."""
    graph = _read(path)
    return {port.name for port in graph.input} - {constant.name for constant in graph.initializer}


def with_weights(model: Path) -> Iterator[Path]:
    """Yield an ONNX file and the files that hold its weights.

    Raises:
        InputError: weights outside the model's folder.
    """
    yield model
    locations = {entry.value for tensor in _read(model).initializer if uses_external_data(tensor)
              for entry in tensor.external_data if entry.key == "location"}  # fmt: skip
    for location in sorted(map(Path, locations)):
        if location.is_absolute() or ".." in location.parts:
            raise InputError("weights in the folder of the model", str(location), str(model))
        yield model.parent / location


def copy_files(source: Path, target: Path, files: Iterable[Path]) -> None:
    """Copy files below `source` to the same places below `target`.

    Raises:
        InputError: one is missing.
        OSError: one cannot be read, or the disk is full.
    """
    for file in files:
        if not file.is_file():
            raise InputError(f"the file {file.relative_to(source)} of the model", "no such file", str(source))
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
