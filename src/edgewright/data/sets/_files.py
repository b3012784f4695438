"""What the loaders of public sets share: finding files in a folder, reading tables, making recordings."""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.array_files import read_npz
from edgewright.data.matching import conversion, find_name
from edgewright.data.polars import pl
from edgewright.schema.data import Column, Floats, Labels
from edgewright.schema.errors import InputError

T = TypeVar("T")
_NULLS = ["", "?", "NaN", "nan", "NA"]


def find_files(folder: Path, *patterns: str) -> list[Path]:
    """Return files below a folder whose name matches one of the patterns, in order of their path; packed or not.

    A pattern such as `*.csv` also finds `*.csv.gz` and `*.csv.xz`. Only the name is matched, so that the layout of
    an archive (a folder in a folder) does not matter.
    """
    paths = {p for pattern in patterns for end in ("", ".gz", ".xz") for p in folder.rglob(pattern + end)}
    return sorted(p for p in paths if p.is_file())


def need_files(folder: Path, *patterns: str) -> list[Path]:
    """`find_files`, at least one.

    Raises:
        InputError: naming the folder and the patterns.
    """
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no such folder"
        raise InputError(
            "a folder of a public set", got, str(folder), "Name its folder, or the kind of rows of your own"
        )
    paths = find_files(folder, *patterns)
    if not paths:
        raise InputError(f"files named {' or '.join(patterns)}", "none", str(folder), "Is it the folder of this set?")
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
        raise InputError(f"a whole {path.suffix} file", str(error), str(path), "Fetch it again") from None
    return raw


def read_text(path: Path) -> str:
    """Return text of a file in UTF-8, or in Latin-1 where it is not UTF-8."""
    raw = read_bytes(path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_rows(path: Path) -> list[list[str]]:
    """Read the cells of each line of a CSV file."""
    return list(csv.reader(io.StringIO(read_text(path), newline="")))


def read_json(path: Path, kind: type[T], expected: str) -> T:
    """Read a JSON file as values of a type.

    Raises:
        InputError: when it holds something else than what is expected.
    """
    try:
        return msgspec.json.decode(read_text(path).encode(), type=kind)
    except msgspec.DecodeError as error:
        raise InputError(f"JSON {expected}", str(error), str(path), "Fetch it again") from None


def read_arrays(path: Path, *keys: str) -> dict[str, Any]:
    """Read the arrays of a `.npz` file by their keys.

    Raises:
        InputError: when it is no such file, or one of `keys` is missing.
    """
    try:
        arrays = read_npz(path, str(path))
    except OSError as error:
        raise InputError(f"arrays {', '.join(keys)}", str(error), str(path), "Fetch it again") from None
    if absent := [key for key in keys if key not in arrays]:
        raise InputError(f"arrays {', '.join(keys)}", f"no {absent[0]}", str(path), "Fetch it again")
    return arrays


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
        raise InputError("a table", str(error).splitlines()[0], str(path)) from None
    if names:
        if table.width != len(names):
            raise InputError(f"{len(names)} columns", str(table.width), str(path))
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
            raise InputError("a number", got, f"{path} row {int(bad[0]) + 1}, column {given.name}")
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
        raise InputError(f"a column {name!r}", ", ".join(table.columns), str(path))
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
        raise InputError("a date and time", repr(table[name][bad]), f"{path} row {bad + 1}, column {name}")
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
        raise InputError("numbers", str(error), str(path)) from None
    if flat.size == 0 or flat.size % width:
        raise InputError(f"{width} numbers a line", f"{flat.size} numbers in all", str(path))
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
            raise InputError("numbers separated by commas", str(error), f"{path} line {number}") from None
        if len({len(c) for c in channels}) != 1:
            raise InputError(
                "channels of equal length, then the class", str([len(c) for c in channels]), f"{path} line {number}"
            )
        cases += 1
        yield channels, label.strip()
    if not cases:
        raise InputError("cases after a line '@data'", "none", str(path), "Is it a whole .ts file?")
