"""A new label project from data: items, the labels that they brought along, and classes with their descriptions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from edgewright.core.files import sync_folder
from edgewright.language.labelling.items import Read
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.suggestion_round import start
from edgewright.schema.errors import InputError, OutputError


def make(path: Path, source: Path, read: Read, classes: Mapping[str, str]) -> None:
    """Writes a project, whole or not at all.

    Args:
        path: of the project.
        source: of the items.
        read: items.
        classes: names with descriptions, besides those of the labels that the items brought along.

    Raises:
        InputError: the file is there.
        OutputError: it cannot be written.
    """
    if path.exists():
        raise InputError("a new file", "one that is there", str(path), "Name another one with --out")
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        told = {
            "kind": read.kind, "name": path.name.split(".")[0], "source": str(source.absolute()),
            "hash": hash_of(source),
            "columns": read.columns, "units": read.units, "rate": read.rate, "window": read.window,
        }  # fmt: skip
        with Project.create(temporary, told) as project:
            with project.changing():
                for number, item in enumerate(read.items, 1):
                    data = None if item.data is None else item.data.tobytes()
                    if read.kind == "pictures":
                        data = hashlib.sha256((source / item.content).read_bytes()).digest()
                    project.execute(
                        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)",
                        (number, item.content, item.place, item.recording, item.person, item.first, data),
                    )
            start(project, {k: item.label for k, item in enumerate(read.items, 1) if item.label}, classes)
            project.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError("to write a label project", error.strerror or str(error), str(path)) from None
    finally:
        for ending in ("", "-wal", "-shm"):
            temporary.with_name(temporary.name + ending).unlink(missing_ok=True)


def hash_of(source: Path) -> str:
    """SHA-256 of a file, or of the names and sizes of a folder's files."""
    digest = hashlib.sha256()
    if source.is_dir():
        for file in sorted(p for p in source.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(source).as_posix()}\0{file.stat().st_size}\0".encode())
        return digest.hexdigest()
    with source.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def changed(project: Project) -> str:
    """What is to be said where the data were changed since, or empty; the project keeps what it was made from."""
    source = Path(str(project.meta("source")))
    try:
        same = hash_of(source) == project.meta("hash")
    except OSError:
        return f"{source} is there no more; the project keeps its items"
    return "" if same else f"{source} was changed since; the project keeps the items that it was made from"
