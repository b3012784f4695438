"""Registering a model: recognise, copy, test, record; and removing it again."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgewright.core.errors import InputError, InvalidNameError, LicenceMissingError, OutputError, OwnModelError
from edgewright.core.files import os_errors, sync, write_atomic
from edgewright.core.own_models import RECORD, OwnFile, OwnModel, models_folder, own_model, read_record
from edgewright.language.own_models.kinds import kind_of

_DAY_S = 86_400
_TEMPORARY = ".adding."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---", re.DOTALL)
_LICENCE = re.compile(r"^licen[sc]e:(?:\s*\n\s*-)?[ \t]*['\"]?([^'\"\s][^'\"\r\n]*?)['\"]?[ \t\r]*$", re.MULTILINE)
_TEXTS = {
    "Apache License": "Apache-2.0", "MIT License": "MIT", "Permission is hereby granted, free of charge": "MIT",
    "Redistribution and use in source and binary forms": "BSD", "Creative Commons Zero": "CC0-1.0",
    "CC0 1.0 Universal": "CC0-1.0",
}  # fmt: skip


def add_model(source: Path, *, name: str = "", licence: str = "") -> OwnModel:
    """Copy a model to the user's models when it passes its self-test, and return its record.

    A model that is there already becomes the newest of its role.

    Args:
        source: file or folder.
        name: name to register; that of the file or folder by default.
        licence: licence of the model; read from its files by default.

    Raises:
        InputError: no known kind, missing or damaged files, a name that is taken or not usable, or no licence.
        OutputError: the folder of models cannot be written.
    """
    kind_name, kind = kind_of(source)
    resolved = source.resolve()
    name = name or (resolved.name if source.is_dir() else source.stem)
    if not _NAME.fullmatch(name):
        raise InvalidNameError(
            "a name of letters, digits and ._+-", repr(name[:100]), str(source), "Set it with --name NAME"
        )
    licence = licence or kind.licence(source) or licence_of(source)
    if not licence:
        do = "Look it up where the model comes from, and set it, such as --licence MIT"
        raise LicenceMissingError(
            "a licence in README.md or LICENSE of its folder, or --licence", "none", str(source), do
        )
    folder = models_folder()
    do = "Correct the permissions, free some space, or set EDGEWRIGHT_MODELS to another folder"
    with os_errors(OutputError, "to write a folder of models", folder, do):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=folder) as temporary:
            copy = Path(temporary) / name
            copy.mkdir()
            with os_errors(OutputError, f"to copy {source.name}", source, do):
                main = kind.copy(source, copy)
            if (copy / RECORD).exists():
                raise OwnModelError(
                    f"files of a model of which none is {RECORD}", "one", str(source), "Rename that file"
                )
            try:
                role, figures = kind.test(copy / main)
            except InputError as error:  # people know the place that they named
                error.where = error.where.replace(str(copy / main), str(source))
                error.args = (str(error).replace(str(copy / main), str(source)),)
                raise
            files = tuple(_file(copy, path) for path in sorted(copy.rglob("*")) if path.is_file())
            together = "".join(f"{file.sha256}  {file.path}\n" for file in files)
            record = OwnModel(
                name=name, kind=kind_name, role=role, sha256=hashlib.sha256(together.encode()).hexdigest(),
                licence=licence, source=str(resolved), added=datetime.now(UTC).isoformat(timespec="microseconds"),
                main=main, files=files, self_test=figures,
            )  # fmt: skip
            content = msgspec.json.format(msgspec.json.encode(record), indent=1)
            write_atomic(copy / RECORD, content)
            try:
                copy.rename(folder / name)
                sync(folder)
            except OSError:  # the name is taken, perhaps since a moment ago by another process
                if not (folder / name).exists():
                    raise
                present = read_record(folder / name)
                if present is None or present.sha256 != record.sha256 or changed_files(present):
                    other = present is not None and present.sha256 != record.sha256
                    got = f"another {present.kind.replace('_', ' ')}" if present and other else "other files"
                    raise InvalidNameError(
                        f"a name that is free, or the same model as {name!r}", got, str(folder / name),
                        f"Set another --name, or remove it first: edgewright models remove {name}",
                    ) from None  # fmt: skip
                write_atomic(folder / name / RECORD, content)
    return record


def changed_files(record: OwnModel) -> list[str]:
    """Return the files of a registered model whose SHA-256 is no longer that of the record, or that are missing."""
    folder = models_folder() / record.name
    return [file.path for file in record.files
            if not (folder / file.path).is_file() or _hash(folder / file.path) != file.sha256]  # fmt: skip


def remove_model(name: str) -> OwnModel:
    """Delete the copy of a registered model, and return its record.

    Raises:
        UnknownNameError: no model of that name.
        OutputError: it cannot be deleted.
    """
    record = own_model(name)
    folder = models_folder()
    with os_errors(OutputError, "to delete a model", folder / name, "Correct the permissions"):
        # It is gone at once; files that are deleted one after the other would be half a model.
        abandoned = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder))
        (folder / name).rename(abandoned / name)
        shutil.rmtree(abandoned)
    return record


def _file(folder: Path, path: Path) -> OwnFile:
    sync(path)
    return OwnFile(path.relative_to(folder).as_posix(), path.stat().st_size, _hash(path))


def _hash(path: Path) -> str:
    with os_errors(InputError, "a file of a model", path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def licence_of(source: Path) -> str:
    """Return what a folder says of its licence: in the first lines of README.md, or by its file LICENSE."""
    if not source.is_dir():
        return ""
    with os_errors(InputError, "a folder of a model", source):
        for path in sorted(source.iterdir()):
            front = _FRONT.match(_text(path)) if path.name.lower() == "readme.md" else None
            if front and (named := _LICENCE.search(front[1])):
                return named[1]
        for path in sorted(source.iterdir()):
            if path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")) and path.is_file():
                text = _text(path)
                return next((licence for words, licence in _TEXTS.items() if words in text), f"see {path.name}")
    return ""


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(1 << 16).decode("utf-8", "replace")


def _remove_abandoned(folder: Path) -> None:
    """Remove copies of a process that was killed a day ago or earlier."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with suppress(FileNotFoundError):  # another process finished its copy meanwhile
            if time.time() - path.stat().st_mtime > _DAY_S:
                shutil.rmtree(path, ignore_errors=True)
