"""Files below a folder, or in ZIP files in it, by their endings."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edgewright.data.headers import read_whole
from edgewright.schema.errors import InputError


def stored_files(path: Path, endings: tuple[str, ...], kind: str) -> Iterator[tuple[str, bytes]]:
    """Name (below the folder or ZIP) and bytes of each file with one of the endings, in the order of the names.

    Args:
        path: a folder, a ZIP file, or one file. ZIP files of a folder are read where it has no such files itself.
        endings: in small letters, with the dot.
        kind: what such a file is called, for messages.

    Raises:
        InputError: for a damaged ZIP, or when there is no such file.
    """
    count = 0
    for name, content in _files(path, endings):
        count += 1
        yield name, content
    if not count:
        raise InputError(f"at least one {kind}", "none", str(path))


def _files(path: Path, endings: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        own = [file for file in sorted(path.rglob("*")) if _fits(file.name, endings)]
        for file in own:
            yield file.relative_to(path).as_posix(), read_whole(file, str(file))
        zips = [] if own else sorted(path.glob("*.zip"))
    elif path.suffix.lower() == ".zip":
        zips = [path]
    else:
        yield path.name, read_whole(path, str(path))
        return
    for archive in zips:
        yield from _zipped(archive, endings)


def _fits(name: str, endings: tuple[str, ...]) -> bool:
    return PurePosixPath(name).suffix.lower() in endings and not name.startswith(".")


def _zipped(path: Path, endings: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                hidden = any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
                if _fits(PurePosixPath(name).name, endings) and not hidden:
                    yield name, archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError("a whole ZIP file", str(error), str(path), "Download or copy it again") from error
