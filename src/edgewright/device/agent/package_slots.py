"""Packages that proved themselves here: the present one and the one before it, kept beside the store."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.core.files import PRIVATE, private_folder, write_atomic
from edgewright.core.package import Package, parse_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.schema.device_config import PackageEntry
from edgewright.schema.errors import CheckFailedError, EdgewrightError, InputError, OutputError

FOLDER = "packages"
CURRENT, PREVIOUS = "current.edge", "previous.edge"


class VerifiedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package that answered its test vectors here.

    Attributes:
        name: in events.
        predictor: ready to answer.
        data: bytes of the package that are to be kept; none where the kept one is in use.
        refused: why another one was refused whose place this one keeps; empty where none was.
    """

    name: str
    predictor: Predictor
    data: bytes = b""
    refused: str = ""


def entry_name(entry: PackageEntry) -> str:
    """Return what a package is called in events, and the folder of its copies."""
    return entry.name or Path(entry.path).name.removesuffix(".edge") or "package"


def prove(entry: PackageEntry, store: Path, keep_old: bool) -> VerifiedPackage:
    """Open a package and run its test vectors; nothing is written.

    Args:
        entry: of the settings, or made of the command line.
        store: folder of the store; copies lie in `packages/NAME` of it.
        keep_old: where it is refused, take the last one that was proven here, which proves itself again.

    Raises:
        CheckFailedError: its test vectors give other answers here, and there is no older one to take.
        InputError: it is missing, damaged or of a newer format, and there is no older one to take.
    """
    name = entry_name(entry)
    folder = store / FOLDER / name
    try:
        data = _bytes(Path(entry.path))
        predictor = _predictor(parse_package(data, entry.path), entry)
    except EdgewrightError as error:
        old = folder / CURRENT
        if not keep_old or not old.exists():
            raise _refused(error, name, old.exists()) from None
        try:
            predictor = _predictor(parse_package(_bytes(old), str(old)), entry)
        except EdgewrightError:
            raise _refused(error, name, there=False) from None
        return VerifiedPackage(name=name, predictor=predictor, refused=str(error))
    return VerifiedPackage(name=name, predictor=predictor, data=data)


def _refused(error: EdgewrightError, name: str, there: bool) -> EdgewrightError:
    stays = f"The package {name!r}, verified here earlier, stays in use" if there else ""
    if isinstance(error, CheckFailedError):
        text = str(error).rstrip(".")
        return CheckFailedError(f"refused: {text}", stays)
    if not stays:
        return error
    do = f"{error.do.rstrip('.')}. {stays}" if error.do else stays
    return InputError(error.expected, error.got, error.where, do) if type(error) is InputError else error


def _predictor(package: Package, entry: PackageEntry) -> Predictor:
    return Predictor(package, form=entry.form or None, engine=entry.engine or None)


def _bytes(file_path: Path) -> bytes:
    path = package_path(file_path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("a package file", error.strerror or str(error), str(path)) from None


def keep(store: Path, name: str, data: bytes) -> None:
    """Keep a copy of a proven package, and the one before it; a power cut leaves the old or the new one, whole.

    Raises:
        OutputError: the copy cannot be written.
    """
    folder = store / FOLDER / name
    current = folder / CURRENT
    try:
        private_folder(folder.parent)
        private_folder(folder)
        before = current.read_bytes() if current.exists() else None
    except OSError as error:
        raise OutputError("to keep a copy of the package", error.strerror or str(error), str(folder)) from None
    if before == data:
        return
    if before is not None:
        write_atomic(folder / PREVIOUS, before, PRIVATE)
    write_atomic(current, data, PRIVATE)
