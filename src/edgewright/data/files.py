"""Files: their bytes and text, those of a folder that are data, and what lies in ZIP files."""

from __future__ import annotations

import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np

from edgewright.core.csv.formats import formats
from edgewright.core.csv.rows import iter_csv, open_csv, read_csv
from edgewright.core.csv.text import plain_cells
from edgewright.core.errors import (
    ArchiveDamagedError,
    DataWarning,
    FileTooLargeError,
    FolderEmptyError,
    TextEncodingError,
    UnreadableFileError,
)
from edgewright.core.formatting import plural, some_of
from edgewright.core.records.data import Labels
from edgewright.data.contract import PARQUET, SINGLE_FILES


def read_whole(path: Path, where: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        InputError: for a file that cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFileError("a file that can be read", error.strerror or str(error), where) from error


def read_utf8(path: Path, expected: str, do: str = "", largest: int = 256 << 20) -> str:
    """Read a text file in UTF-8.

    Args:
        path: path of the file.
        expected: what it is, for an error.
        do: advice where it cannot be read.
        largest: bytes that it may have.

    Raises:
        InputError: for a file that cannot be read, is too large or is not UTF-8.
    """
    try:
        if path.stat().st_size > largest:
            raise FileTooLargeError(f"at most {largest >> 20} MB", f"{path.stat().st_size >> 20} MB", str(path))
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UnreadableFileError(expected, error.strerror or str(error), str(path), do) from None
    except UnicodeDecodeError as error:
        raise TextEncodingError(
            "text in UTF-8", f"byte {error.start} that is not", str(path), "Save it as UTF-8"
        ) from None


def read_columns(path: Path, name: str, delimiter: str | None = None) -> tuple[str, ...]:
    """Return names of the columns of a CSV file; a column of row numbers without a name is left out.

    Raises:
        InputError: for a missing or empty file, or a header that is none.
    """
    return open_csv(path, name, delimiter).columns


def read_opening(path: Path) -> dict[str, list[str]]:
    """Read the first rows of a CSV file as text, by column; numbers as a program writes them.

    Raises:
        InputError: for a missing or empty file, or a header that is none.
    """
    opened = open_csv(path, path.name)
    first = next(iter_csv(opened, name=path.name, text_columns=opened.columns))
    return {name: plain_cells(cells, first.header.forms.get(name, ())).tolist() for name, cells in first.text.items()}


def read_text(path: Path) -> tuple[dict[str, Labels], tuple[int, ...]]:
    """All columns of a CSV file as text, and the line of each row."""
    opened = open_csv(path, path.name)
    rows = read_csv(opened, name=path.name, text_columns=opened.columns)
    return rows.text, tuple(int(line) for line in rows.lines)


_PACKED = (".gz", ".xz")
# Spreadsheet programs keep such a file beside one that is open.
_LOCK = "~$"
_NO_DATA = ("readme", "license", "licence")


def is_hidden(path: Path) -> bool:
    """Return whether a file is hidden, or the lock of a spreadsheet."""
    return path.name.startswith((".", _LOCK))


def is_single(path: Path) -> bool:
    """Return whether a file is a table where it is named, and may be anything beside others: .txt, .xlsx, .jsonl."""
    return _ending(path) in {*SINGLE_FILES, *formats()} - {*PARQUET}


def data_files(files: Iterable[Path]) -> list[Path]:
    """Return the files that are data: CSV, Parquet and WAV files; without any, those of the most frequent ending.

    Args:
        files: that some source reads.
    """
    shown = [path for path in files if not is_hidden(path)]
    usual = [path for path in shown if not is_single(path)]
    if usual:
        return usual
    shown = [path for path in shown if path.stem.lower() not in _NO_DATA]
    endings = Counter(map(_kind, shown))
    return [path for path in shown if _kind(path) == max(endings, key=lambda kind: endings[kind])]


def told_left_out(files: Iterable[Path], data: Sequence[Path]) -> str:
    """Return which tables lie beside the data and are not read, in words; empty for none."""
    left = [path.name for path in files if not is_hidden(path) and path.stem.lower() not in _NO_DATA]
    known = {path.name for path in data}
    left = [name for name in left if name not in known]
    return f"without {plural(len(left), 'file')} of another kind ({some_of(left, 3)})" if left else ""


def files_of(files: Iterable[Path], name: str) -> list[Path]:
    """Return the data of a folder whose recordings are loaded; a warning says which tables beside them are not."""
    there = list(files)
    data = data_files(there)
    if left := told_left_out(there, data):
        warnings.warn(f"{name}: read {left}", DataWarning, 2)
    return data


def some_files(files: Sequence[Path], count: int) -> list[Path]:
    """Return so many files, drawn by chance, in their order; all of them where `count` is 0 or as large.

    Those of a smaller count are among those of a larger one.
    """
    if not 0 < count < len(files):
        return list(files)
    return [files[number] for number in sorted(draw_order(len(files))[:count])]


def draw_order(count: int) -> list[int]:
    """Return the numbers of files in the order in which they are drawn."""
    numbers: list[int] = np.random.default_rng(0).permutation(count).tolist()
    return numbers


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in _PACKED else "".join(suffixes[-1:])


def _kind(path: Path) -> str:
    """Return the ending, one for all plain texts."""
    return SINGLE_FILES[0] if _ending(path) in SINGLE_FILES else _ending(path)


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
        raise FolderEmptyError(f"at least one {kind}", "none", str(path))


def _files(path: Path, endings: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        own = files_below(path, endings)
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


def files_below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Return the files of a folder with one of the endings, in the order of their names."""
    return [file for file in sorted(folder.rglob("*")) if _fits(file.name, endings)]


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
        raise ArchiveDamagedError("a whole ZIP file", str(error), str(path), "Download or copy it again") from error


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
        raise ArchiveDamagedError(
            "a folder or a ZIP file of tables", "another file", str(path), "Take kind = 'csv' for one table"
        )
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, folder, path.name, is_table)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ArchiveDamagedError("a whole ZIP file", str(error), path.name, "Download or copy it again") from None
        except RuntimeError as error:
            raise ArchiveDamagedError("a ZIP file without a password", str(error), path.name, "Unpack it") from None
        yield _without_single_folder(folder)


def _unpack(archive: zipfile.ZipFile, folder: Path, name: str, is_table: Callable[[str], object]) -> None:
    members = {}
    for member in archive.infolist():
        location = PurePosixPath(member.filename.replace("\\", "/"))
        if location.is_absolute() or ".." in location.parts:
            raise ArchiveDamagedError(
                "files inside the ZIP file's own folder", repr(member.filename), name, "Make it again"
            )
        hidden = any(is_hidden(Path(part)) or part == "__MACOSX" for part in location.parts)
        if not member.is_dir() and not hidden and is_table(location.name):
            if location in members:
                raise UnreadableFileError("files of different names", f"{location} twice", name, "Make it again")
            members[location] = member
    if (size := sum(member.file_size for member in members.values())) > LARGEST:
        raise FileTooLargeError(
            f"tables of at most {LARGEST >> 30} GiB in all", f"{size / 2**30:.1f} GiB", name, "Unpack it"
        )
    for location, member in members.items():
        (folder / location).parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, (folder / location).open("xb") as target:
            shutil.copyfileobj(source, target)


def _without_single_folder(folder: Path) -> Path:
    """Return the folder below which names differ: whoever packs a folder has its name before all others."""
    inside = list(folder.iterdir())
    return _without_single_folder(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder
