"""Files of the studio's folder: paths that come from addresses and forms, and data files that a browser uploads."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from starlette.exceptions import HTTPException

from edgewright.core.errors import UploadError
from edgewright.data.preview import read_preview
from edgewright.data.sources.folder import reader_of
from edgewright.trace.journal import journals

RECORD = "trace.json"
# Files of a pattern that are looked at below the studio's folder.
_MOST_FILES = 5000


def below(root: Path, relative: str) -> Path:
    """Return the existing file or folder at a relative path, with links resolved.

    Raises:
        HTTPException: 404 where it does not exist, is hidden, or leads out of `root`.
    """
    parts = relative.split("/")
    if "\0" in relative or "\\" in relative or any(part in ("", ".", "..") or part.startswith(".") for part in parts):
        raise HTTPException(404, "Path not found in the studio's folder.")
    try:
        path = (root / relative).resolve(strict=True)
        inside = path.is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError, ValueError):
        inside = False
    if not inside:
        raise HTTPException(404, "Path not found in the studio's folder.")
    return path


def files_below(root: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    """Yield files of a pattern, in order: where they lie with '/', and themselves; none that is hidden or leads out."""
    inside = root.resolve()
    for path in sorted(islice(root.rglob(pattern), _MOST_FILES)):
        location = path.relative_to(root)
        hidden = any(part.startswith(".") for part in location.parts)
        if not hidden and path.is_file() and path.resolve().is_relative_to(inside):
            yield location.as_posix(), path


def run_folder(root: Path, name: str) -> Path:
    """Return the folder of a run; `name` is its path in the folder of runs.

    Raises:
        HTTPException: 404 where there is none.
    """
    folder = below(root, name)
    if not (folder / RECORD).is_file() or not (folder / RECORD).resolve().is_relative_to(folder):
        raise HTTPException(404, "The studio's folder has no run with that name.")
    return folder


def exists(path: Path) -> bool:
    """Return whether there is a file or folder; none has a path that is longer than paths may be."""
    return os.path.exists(path)  # noqa: PTH110 - `Path.exists` raises an error for a long path


def journal_file(root: Path, identity: str) -> Path:
    """Return where the journal of a run is or was kept.

    Raises:
        HTTPException: 404 for what names no journal.
    """
    if "/" in identity or "\0" in identity or identity.startswith(".") or len(identity.encode()) > _LONGEST_JOURNAL:
        raise HTTPException(404, "Run not found.")
    return journals(root) / f"{identity}.jsonl"


FOLDER = "data"
"""Folder below the studio's that files are kept in."""
_PICTURES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}
"""How picture files begin, and their endings."""
_LONGEST = 80
_LONGEST_JOURNAL = 240
_MOST_ALIKE = 1000


def keep(root: Path, name: str, content: BinaryIO) -> str:
    """Keep an uploaded file.

    Args:
        root: the studio's folder.
        name: as the browser names the file.
        content: of the file, from its beginning.

    Returns:
        Where it lies below `root`, with '/'. The same content under the same name is kept once; other content gets
        the next free number.

    Raises:
        InputError: a name with folders or of a kind that is not read, an empty file, or one that is no table.
    """
    plain = plain_name(name)

    def write(path: Path) -> None:
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)

    return keep_written(root, plain, write)


def plain_name(name: str) -> str:
    """Return a file's name in letters that need no quoting.

    Raises:
        InputError: a name with folders, or of a kind that is not read.
    """
    if not name or name.startswith(".") or any(c in "/\\" or not c.isprintable() for c in name):
        raise UploadError("a file name without folders", repr(name[:_LONGEST]), "", "Rename the file")
    if not reader_of(name) and not name.lower().endswith(".zip"):
        raise UploadError("a CSV, TSV, Parquet or WAV file, or a ZIP of pictures or tables", repr(name[:_LONGEST]))
    stem, dot, ending = name.partition(".")
    return (re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:_LONGEST] or "my-data") + (
        dot + re.sub(r"[^A-Za-z0-9_.-]+", "-", ending)[-_LONGEST:]
    )


def keep_written(root: Path, name: str, write: Callable[[Path], None]) -> str:
    """Keep what a function writes, under a plain name; it is looked at before it is kept. As `keep`."""
    folder = _uploads(root)
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=folder) as room:
        path = Path(room) / name
        write(path)
        if not path.stat().st_size:
            raise UploadError("rows", "an empty file", name)
        read_preview(str(path))
        return f"{FOLDER}/{_placed(path, folder)}"


def keep_pictures(root: Path, pictures: Sequence[tuple[str, BinaryIO]]) -> str:
    """Keep pictures, by name and content, in a new folder, and return where it lies below `root`.

    Raises:
        InputError: one that is no picture; none is kept then.
    """
    folder = _uploads(root)
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=folder) as room:
        for number, (name, content) in enumerate(pictures, 1):
            begin = content.read(8)
            ending = next((ending for magic, ending in _PICTURES.items() if begin.startswith(magic)), "")
            if not ending:
                raise UploadError("a PNG or JPEG picture", repr(name[:_LONGEST]), "", "Leave it out or convert it")
            content.seek(0)
            with (Path(room) / f"{number:04}{ending}").open("xb") as file:
                shutil.copyfileobj(content, file)
        target = Path(tempfile.mkdtemp(prefix="pictures-", dir=folder))
        return f"{FOLDER}/{Path(room).replace(target).name}"


def _uploads(root: Path) -> Path:
    folder = root / FOLDER
    if folder.is_symlink():
        raise UploadError("a folder of the studio", "a link", str(folder), "Remove the link")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _placed(path: Path, folder: Path) -> str:
    """Link a file to the first name that is free, and return that name; a link replaces nothing."""
    stem, dot, ending = path.name.partition(".")
    for number in range(1, _MOST_ALIKE):
        name = path.name if number == 1 else f"{stem}-{number}{dot}{ending}"
        try:
            os.link(path, folder / name)
        except FileExistsError:
            if not (folder / name).is_symlink() and filecmp.cmp(path, folder / name, shallow=False):
                return name
        else:
            return name
    raise UploadError("another file name", f"{_MOST_ALIKE - 1} files of this name", path.name, "Rename the file")
