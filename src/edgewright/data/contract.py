"""What every source of rows offers, and the files and folders that sources read."""

from __future__ import annotations

import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
import numpy as np

from edgewright.core.csv.formats import formats
from edgewright.core.csv.rows import iter_csv, open_csv, read_csv
from edgewright.core.csv.text import plain_cells
from edgewright.core.errors import (
    ArchiveDamagedError,
    DataWarning,
    FileTooLargeError,
    FolderEmptyError,
    MissingFileError,
    TextEncodingError,
    UnreadableFileError,
)
from edgewright.core.formatting import plural, some_of
from edgewright.core.input.pictures import ENDINGS
from edgewright.core.records.data import DataSet, Labels

SINGLE_FILES = (".txt", ".dat")
"""Endings of files that are tables where they are named; in a folder they may be notes or bytes."""

PARQUET = (".parquet", ".pq")
"""Endings of Parquet files."""

SUFFIXES: dict[str, tuple[str, ...]] = {
    # An .npz file of windows has its own source; an .npz file that holds a table is read as CSV.
    "csv": (
        ".csv",
        ".csv.gz",
        ".csv.xz",
        ".tsv",
        ".tsv.gz",
        ".tab",
        ".dat",
        ".txt",
        ".txt.gz",
        *sorted(formats().keys() - {".npz", *PARQUET}),
    ),
    "numpy": (".npz", ".npy"),
    "parquet": PARQUET,
    "pictures": tuple(sorted(ENDINGS)),
    "wav": (".wav", ".zip"),
}
"""File name endings by source; the longest one that fits chooses the source if only a path is given.

The table is not in the files of the sources, so that choosing one loads no other.
"""
FileCount = Annotated[int, msgspec.Meta(ge=0)]
"""How many files of a folder are read, drawn by chance; 0 for all."""
LABELS_FILE = "labels.csv"
"""Name of a file that labels the recordings of a folder."""


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every source's configuration: the table `[data]` without its `kind`.

    Attributes:
        path: file or folder; `--data PATH` on the command line overrides it.
    """

    path: str = ""


class SchemaConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of columns beside a file's own words.

    Attributes:
        units: unit of a column by its name, such as {temp = "C"}.
        ranges: smallest and largest value a column's sensor can give, such as {temp = [-40, 85]}.
        rate: samples a second; overrides what the file says.
    """

    units: dict[str, str] = msgspec.field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1e9)] | None = None


def need_path(path: str, expected: str, there: Callable[[Path], bool] = Path.exists) -> Path:
    """Return the path of a configuration.

    Raises:
        InputError: when it is empty or not there.
    """
    if not path:
        raise MissingFileError(expected, "none", "[data] path, or --data")
    if not there(Path(path)):
        raise MissingFileError(expected, "no such folder" if there is Path.is_dir else "no such file", path)
    return Path(path)


S = TypeVar("S", bound=SourceConfig)


@dataclass(frozen=True)
class Source(Generic[S]):
    """The one object `SOURCE` of a source's file; the file name is its `kind`.

    Attributes:
        config: the configuration's struct.
        load: (config, seed) -> data set. Raises `InputError` with file, line and column.
        in_parts: (config, seed, folder) -> data set whose values may lie in a file without a name in that folder.
        whole: whether no reading can be missing, as in sound.
        simulated: whether no sensor measured the rows.
        reads_folder: whether it reads the folder of a public set, whose columns and labels it knows.
    """

    config: type[S]
    load: Callable[[S, int], DataSet]
    in_parts: Callable[[S, int, Path], DataSet] | None = None
    whole: bool = False
    simulated: bool = False
    reads_folder: bool = False


Severity = Literal["error", "warning", "note"]


class Finding(msgspec.Struct, frozen=True):
    """One fact about the data.

    Attributes:
        kind: what was looked for, such as 'missing', 'gap', 'same-group'.
        severity: 'error' makes results wrong, 'warning' may, 'note' is good to know.
        sentence: for a reader, with the numbers and the place.
        column: the column it is about; empty when it is about rows.
        numbers: the figures of the sentence by name.
    """

    kind: str
    severity: Severity
    sentence: str
    column: str = ""
    numbers: dict[str, float] = msgspec.field(default_factory=dict)


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What the data are like.

    Attributes:
        rows: of all recordings.
        labelled: rows that carry a label.
        recordings: their number.
        columns: their number.
        groups: number of persons or machines; 0 when unknown.
        rate: samples a second, estimated from the times; None without times.
        classes: labelled rows by class; empty for amounts and unlabelled data.
        findings: the worst first.
    """

    rows: int
    labelled: int
    recordings: int
    columns: int
    groups: int
    rate: float | None
    classes: dict[str, int]
    findings: tuple[Finding, ...]


_ORDER: tuple[Severity, ...] = ("error", "warning", "note")


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, in the order they were made within it."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def by_column(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings for people, one a column: the worst of a column says the others too.

    Args:
        findings: the worst first, as `worst_first` returns them.
    """
    joined: dict[tuple[str, int], Finding] = {}
    for number, finding in enumerate(findings):
        key = (finding.column, 0 if finding.column else number)
        if (worst := joined.get(key)) is None:
            joined[key] = finding
        else:
            further = finding.sentence.removeprefix(f"{finding.column}: ").removeprefix(f"{finding.column} ")
            sentence = f"{worst.sentence}. Also: {further}"
            joined[key] = msgspec.structs.replace(worst, sentence=sentence)
    return tuple(joined.values())


def percent(share: float) -> str:
    """Return a share as a reader writes it: 0.0312 gives '3.1 %'."""
    if share >= 0.001 or share < 1e-9:
        # Less than a thousand-millionth is what rounding leaves of nothing.
        return f"{100 * share:.1f} %" if share >= 0.001 else "0 %"
    return f"{100 * share:.2g} %"


def few(names: list[str], maximum: int = 5) -> str:
    """Return names in a sentence: the first ones and how many more there are."""
    more = f" and {len(names) - maximum} more" if len(names) > maximum else ""
    return ", ".join(names[:maximum]) + more


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
