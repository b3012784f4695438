"""Models that `edgewright serve` can serve: every file offers `KIND`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

from edgewright.core.catalogue import find, listing
from edgewright.schema.errors import InputError
from edgewright.studio.chat.contract import ServedKind, ServedModel

_HEAD = 16
_LONGEST = 100


class ModelRequest(NamedTuple):
    """A model as the command line names it: `[NAME=]PATH[,PATH]`."""

    name: str
    path: Path
    other: Path | None


def parse_model(text: str) -> ModelRequest:
    """Read a model of the command line; without a name it has that of its file.

    Raises:
        InputError: an empty path, or a name that is empty, long or not printable.
    """
    name, path = "", text
    if not Path(text).exists():
        before, separator, after = text.partition("=")
        name, path = (before, after) if separator else ("", text)
        if separator and not name:
            raise InputError("a name before '='", repr(text), "edgewright serve")
    first, _, second = (path, "", "") if Path(path).exists() else path.partition(",")
    if not first:
        raise InputError("[NAME=]PATH[,PATH]", repr(text), "edgewright serve")
    name = name or Path(first).stem
    if len(name) > _LONGEST or not name.isprintable():
        raise InputError(
            f"a name of at most {_LONGEST} printable characters", repr(name[:_LONGEST]), "edgewright serve"
        )
    return ModelRequest(name, Path(first), Path(second) if second else None)


def kind_of(path: Path) -> tuple[str, ServedKind]:
    """Return what a file holds.

    Raises:
        InputError: no such file, or one of no model that can be served.
    """
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise InputError("the file of a model", got, str(path), "Check the path")
    known: dict[str, ServedKind] = {
        name: find(__name__, name, "KIND", "kind of model") for name in listing(__name__, "KIND")
    }
    with path.open("rb") as file:
        marks = {path.suffix, file.read(_HEAD).decode("latin-1")}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            marks.update(archive.namelist())
    for name, kind in known.items():
        if kind.holds in marks:
            return name, kind
    raise InputError(
        f"one of: {', '.join(kind.what for kind in known.values())}", "another file", str(path), "Check the path"
    )


def open_model(request: ModelRequest) -> tuple[str, ServedModel]:
    """Return the kind of a model and the model itself, in the thread that will ask it.

    Raises:
        InputError: a file of another kind, damaged, or with a second file that it does not need.
    """
    name, kind = kind_of(request.path)
    if request.other is not None and not kind.needs:
        raise InputError(f"{kind.what} alone", f"{request.other} after a comma", str(request.path))
    return name, kind.open(request.path, request.other)
