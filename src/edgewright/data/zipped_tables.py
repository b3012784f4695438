"""A ZIP file of tables as the folder that it was made of."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from edgewright.data.folder_files import is_hidden
from edgewright.schema.errors import InputError

# Bytes that tables may have in all; an archive that claims more is damaged, hostile, or better unpacked by a person.
LARGEST = 4 << 30


@contextmanager
def folder_of(path: Path, is_table: Callable[[str], object]) -> Iterator[Path]:
    """Provide a folder of tables: itself, or that of a ZIP file, unpacked for as long as needed.

    Args:
        path: folder or ZIP file.
        is_table: whether a file of this name is one.

    Raises:
        InputError: no ZIP file, a damaged, encrypted or too large one, or a member that lies outside of it.
    """
    if path.is_dir():
        yield path
        return
    if path.suffix.lower() != ".zip":
        raise InputError(
            "a folder or a ZIP file of tables", "another file", str(path), "Take kind = 'csv' for one table"
        )
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, folder, path.name, is_table)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise InputError("a whole ZIP file", str(error), path.name, "Download or copy it again") from None
        except RuntimeError as error:
            raise InputError("a ZIP file without a password", str(error), path.name, "Unpack it") from None
        yield _without_single_folder(folder)


def _unpack(archive: zipfile.ZipFile, folder: Path, name: str, is_table: Callable[[str], object]) -> None:
    members = {}
    for member in archive.infolist():
        location = PurePosixPath(member.filename.replace("\\", "/"))
        if location.is_absolute() or ".." in location.parts:
            raise InputError("files inside the ZIP file's own folder", repr(member.filename), name, "Make it again")
        hidden = any(is_hidden(Path(part)) or part == "__MACOSX" for part in location.parts)
        if not member.is_dir() and not hidden and is_table(location.name):
            if location in members:
                raise InputError("files of different names", f"{location} twice", name, "Make it again")
            members[location] = member
    if (size := sum(member.file_size for member in members.values())) > LARGEST:
        raise InputError(f"tables of at most {LARGEST >> 30} GiB in all", f"{size / 2**30:.1f} GiB", name, "Unpack it")
    for location, member in members.items():
        (folder / location).parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, (folder / location).open("xb") as target:
            shutil.copyfileobj(source, target)


def _without_single_folder(folder: Path) -> Path:
    """Return the folder below which names differ: whoever packs a folder has its name before all others."""
    inside = list(folder.iterdir())
    return _without_single_folder(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder
