"""Helpers for loaders of public data sets: find files in a folder, read tables, make recordings."""

from __future__ import annotations

import gzip
import importlib
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DataError, MissingFileError
from edgewright.core.records.data import Column, DataSet, Floats, Labels
from edgewright.data.contract import Source, SourceConfig
from edgewright.data.matching import conversion, find_name
from edgewright.data.polars import pl

T = TypeVar("T")
_NULLS = ["", "?", "NaN", "nan", "NA"]


def folder_source(
    read: Callable[[Any, Path], DataSet], config: type[SourceConfig] = SourceConfig, *,
    origin: str, licence: str, citation: str, simulated: bool = False, whole: bool = False,
    default: Callable[[], Path] | None = None,
) -> Source[Any]:  # fmt: skip
    """Return a source that reads a public data set from its folder.

    Args:
        read: (config, folder) -> data set without origin.
        config: struct of the configuration, with `path`.
        origin: original page of the data set.
        licence: as stated at the origin.
        citation: as asked for at the origin.
        simulated: whether no sensor measured the rows.
        whole: whether no reading can be missing, as in sound.
        default: folder that is read if `path` is empty.
    """

    def load(settings: SourceConfig, seed: int) -> DataSet:
        del seed
        advice = f"Download it from {origin}"
        if not settings.path and default is None:
            raise DataError("the folder of a public set", "none", "[data] path, or --data", advice)
        folder = default() if not settings.path and default is not None else Path(settings.path)
        if not folder.exists():
            raise MissingFileError("the folder of a public set", "no such folder", str(folder), advice)
        data = read(settings, folder)
        if not any(len(recording.values) for recording in data.recordings):
            raise DataError("recordings of the public set", "none", str(folder), "Name the folder of the whole set")
        return msgspec.structs.replace(data, origin=origin, licence=licence, citation=citation)

    return Source(config, load, simulated=simulated, whole=whole, reads_folder=True)


def find_files(folder: Path, *patterns: str) -> list[Path]:
    """Return files below a folder whose name matches one of the patterns, in order of their path; packed or not.

    A pattern such as `*.csv` also finds `*.csv.gz` and `*.csv.xz`. Only the name is matched, so that the layout of
    an archive (a folder in a folder) does not matter. A file in place of the folder is its only file.
    """
    if folder.is_file():
        return [folder]
    paths = {p for pattern in patterns for end in ("", ".gz", ".xz") for p in folder.rglob(pattern + end)}
    return sorted(p for p in paths if p.is_file())


def need_files(folder: Path, *patterns: str) -> list[Path]:
    """`find_files`, at least one.

    Raises:
        InputError: naming the folder and the patterns.
    """
    if not folder.exists():
        raise MissingFileError(
            "a folder of a public set",
            "no such folder",
            str(folder),
            "Name its folder, or the kind of rows of your own",
        )
    paths = find_files(folder, *patterns)
    if not paths:
        raise DataError(f"files named {' or '.join(patterns)}", "none", str(folder), "Is it the folder of this set?")
    return paths


def stem(path: Path) -> str:
    """Name of a file without packing and ending: 'a.csv.gz' gives 'a'."""
    name = path.name
    for end in (".gz", ".xz"):
        name = name.removesuffix(end)
    return name.rsplit(".", 1)[0]


def read_bytes(path: Path) -> bytes:
    """Return contents of a file, unpacked when its name ends in .gz or .xz.

    Raises:
        InputError: when the packed file is damaged.
    """
    raw = path.read_bytes()
    try:
        if path.suffix == ".gz":
            return gzip.decompress(raw)
        if path.suffix == ".xz":
            return lzma.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"a whole {path.suffix} file", str(error), str(path), "Fetch it again") from None
    return raw


def read_text(path: Path) -> str:
    """Return text of a file in UTF-8, or in Latin-1 where it is not UTF-8."""
    raw = read_bytes(path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_table(
    path: Path,
    *,
    separator: str = ",",
    names: Sequence[str] = (),
    skip: int = 0,
) -> pl.DataFrame:
    """Return a table of text columns.

    Args:
        path: the file.
        separator: between values; one blank also stands for runs of blanks and for blanks at the ends of lines.
        names: of the columns when the file has no header.
        skip: lines before the header or the rows.

    Raises:
        InputError: when the file is no such table.
    """
    raw = read_bytes(path)
    if separator == " ":
        raw = b"\n".join(b" ".join(line.split()) for line in raw.splitlines())
    try:
        table = pl.read_csv(
            io.BytesIO(raw),
            separator=separator,
            has_header=not names,
            skip_rows=skip,
            infer_schema=False,
            null_values=_NULLS,
        )
    except pl.exceptions.PolarsError as error:
        raise DataError("a table", str(error).splitlines()[0], str(path)) from None
    if names:
        if table.width != len(names):
            raise DataError(f"{len(names)} columns", str(table.width), str(path))
        table.columns = list(names)
    return table


def numbers(table: pl.DataFrame, names: Sequence[str], path: Path) -> Floats:
    """Return columns of a table as float32, shape (rows, len(names)), NaN where missing.

    Raises:
        InputError: for an absent column, a unit of another quantity, or text where a number should be; names the row.
    """
    out = np.empty((table.height, len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        given = column(table, name, path)
        if given.dtype == pl.String:
            given = given.str.strip_chars()
        parsed = given.cast(pl.Float64, strict=False)
        bad = (parsed.is_null() & given.is_not_null()).arg_true()
        if len(bad):
            got = repr(given[int(bad[0])])
            raise DataError("a number", got, f"{path} row {int(bad[0]) + 1}, column {given.name}")
        factor, offset = conversion(Column(name=name), given.name, str(path))
        out[:, i] = parsed.fill_null(float("nan")).to_numpy() * factor + offset
    return out


def column(table: pl.DataFrame, name: str, path: Path) -> pl.Series:
    """Find a column of a table by its name, whatever the case, the signs and the unit in its header.

    Raises:
        InputError: it is not there, or more than one could be meant.
    """
    known_name = find_name(name, table.columns, {})
    if known_name is None:
        raise DataError(f"a column {name!r}", ", ".join(table.columns), str(path))
    return table[known_name]


def texts(table: pl.DataFrame, name: str, path: Path) -> Labels:
    """Return a column as text, empty where missing.

    Raises:
        InputError: it is not there.
    """
    return np.array(column(table, name, path).cast(pl.String).fill_null("").to_list(), dtype=np.str_)


def seconds(table: pl.DataFrame, name: str, path: Path) -> NDArray[np.float64]:
    """Return a column of date and time as seconds from the first row.

    Raises:
        InputError: an absent column, or a row that is no date and time.
    """
    moments = column(table, name, path).str.strip_chars().str.to_datetime(time_unit="us", strict=False)
    if moments.null_count():
        bad = int(moments.is_null().arg_true()[0])
        raise DataError("a date and time", repr(table[name][bad]), f"{path} row {bad + 1}, column {name}")
    micro = moments.to_physical().to_numpy()
    return np.asarray(micro - micro[0], dtype=np.float64) / 1e6


def same(text: str, rows: int) -> Labels:
    """One text for all rows; takes no memory by row."""
    return np.broadcast_to(np.array(text), (rows,))


def columns(unit: str, *names: str, minimum: float | None = None, maximum: float | None = None) -> tuple[Column, ...]:
    """Return columns of one unit and range."""
    return tuple(Column(name=n, unit=unit, minimum=minimum, maximum=maximum) for n in names)


def table_by_rows(path: Path, width: int) -> NDArray[np.float64]:
    """Read numbers separated by blanks or line ends, shape (rows, width).

    Raises:
        InputError: for text, or a number of values that is no multiple of `width`.
    """
    try:
        flat = np.array(read_bytes(path).split(), dtype=np.float64)
    except ValueError as error:
        raise DataError("numbers", str(error), str(path)) from None
    if flat.size == 0 or flat.size % width:
        raise DataError(f"{width} numbers a line", f"{flat.size} numbers in all", str(path))
    return flat.reshape(-1, width)


def read_ts(path: Path) -> Iterator[tuple[list[NDArray[np.float64]], str]]:
    """Yield the cases of a `.ts` file (UEA and UCR archives): the channels, each of shape (samples,), and the class.

    Raises:
        InputError: for a file without data, text in a channel, or channels of unequal length; names the line.
    """
    inside, cases = False, 0
    for number, line in enumerate(read_text(path).splitlines(), 1):
        line = line.strip()
        if not inside:
            inside = line.lower() == "@data"
            continue
        if not line or line.startswith("#"):
            continue
        *parts, label = line.split(":")
        try:
            channels = [np.array(part.replace("?", "nan").split(","), dtype=np.float64) for part in parts]
        except ValueError as error:
            raise DataError("numbers separated by commas", str(error), f"{path} line {number}") from None
        if len({len(c) for c in channels}) != 1:
            raise DataError(
                "channels of equal length, then the class", str([len(c) for c in channels]), f"{path} line {number}"
            )
        cases += 1
        yield channels, label.strip()
    if not cases:
        raise DataError("cases after a line '@data'", "none", str(path), "Is it a whole .ts file?")


VARIABLE = "EDGEWRIGHT_SOURCES"
"""Environment variable with the paths of the files, separated as in PATH."""
_EXAMPLES = {
    "activity/activities.py": ("hapt", "wisdm_watch"),
    "factory/machines.py": ("ai4i2020", "cmapss", "nab", "skab"),
    "health/heartbeats.py": ("ecg200", "mitdb"),
    "health/gait.py": ("daphnet",),
    "room/occupancy.py": ("occupancy",),
    "shop/goods.py": ("grocery",),
    "shop/visitors.py": ("people_counts",),
    "wake-word/digits.py": ("fsdd",),
}
MOVED = {kind: f"examples/{file}" for file, kinds in _EXAMPLES.items() for kind in kinds}
"""Public sets that were kinds of data of the product, and the example that reads them; listed for one version."""
_REMOVED = frozenset({
    "clinc150", "emanual", "ett", "m4", "magic_wand", "mlperf_tiny", "pamap2", "snips", "speechocean", "wisdm", "xquad",
})  # fmt: skip


def register_sources(*paths: Path) -> None:
    """Add the sources of Python files to those that `[data]` can name, also in processes that this one starts.

    Args:
        paths: files whose `SOURCES` maps the name of a kind to its `Source`. Modules next to a file can be imported.
    """
    known = [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
    new = [str(path.resolve()) for path in paths]
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys([*known, *new]))


def registered_sources() -> dict[str, Source[Any]]:
    """Return the sources of the registered files by kind.

    Raises:
        InputError: a file is missing or offers no sources.
    """
    return _read_sources(os.environ.get(VARIABLE, ""))


@cache
def _read_sources(paths: str) -> dict[str, Source[Any]]:
    sources: dict[str, Source[Any]] = {}
    for path in map(Path, filter(None, paths.split(os.pathsep))):
        if not path.is_file():
            raise MissingFileError("a Python file with SOURCES", "no such file", str(path), f"Correct {VARIABLE}")
        if (folder := str(path.resolve().parent)) not in sys.path:
            sys.path.append(folder)
        offered = getattr(importlib.import_module(path.stem), "SOURCES", None)
        if not isinstance(offered, dict):
            raise DataError("SOURCES, a dictionary of sources by kind", "none", str(path), f"Correct {VARIABLE}")
        sources.update(offered)
    return sources


def check_removed(kind: str, where: str = "") -> None:
    """Raise an error that names the replacement of a kind of data that is no longer part of the product.

    Raises:
        InputError: the kind was moved or removed.
    """
    if kind in MOVED:
        raise DataError(
            "a current kind of data", f"{kind}, which was moved", where,
            f"Set {VARIABLE}={MOVED[kind]} to read it, or read its files with kind = 'csv' or 'folder'",
        )  # fmt: skip
    if kind in _REMOVED:
        raise DataError(
            "a current kind of data", f"{kind}, which was removed", where,
            "Read its files as your own data, with kind = 'csv', 'parquet', 'folder' or 'numpy'",
        )  # fmt: skip
