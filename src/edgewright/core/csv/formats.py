"""Tables in other files than CSV, whose rows are read as those of a CSV file."""

from __future__ import annotations

import csv
import importlib
import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.array_files import is_archive, read_mat, read_npz
from edgewright.core.csv.text import WINDOWS, whole_text
from edgewright.core.errors import (
    ArrayFileError,
    CsvCellCountError,
    CsvEmptyError,
    CsvError,
    CsvHeaderError,
    DataWarning,
    InputError,
    MissingExtraError,
    ParquetDamagedError,
    TextEncodingError,
)
from edgewright.core.formatting import some_of

_ROWS = 2000


@dataclass(frozen=True)
class Format:
    """The one object `FORMAT` of a file.

    Attributes:
        suffixes: endings of the names of files, in lower case.
        rows: path and name for messages -> rows, the names of the columns first. It raises `InputError` for a file that
            is none, or has no table.
    """

    suffixes: tuple[str, ...]
    rows: Callable[[Path, str], Iterable[Sequence[object]]]


@cache
def formats() -> dict[str, Format]:
    """Return formats by suffix."""
    known = (ARRAYS, JSON_LINES, PARQUET, RELATIONS, SPREADSHEET, TIME_SERIES)
    return {suffix: known_format for known_format in known for suffix in known_format.suffixes}


def csv_pieces(path: Path, name: str) -> Iterator[bytes] | None:
    """Return the table of a file as pieces of a CSV file; None for a file that is text already."""
    reader = formats().get(path.suffix.lower())
    return None if reader is None else _pieces(reader.rows(path, name))


def _pieces(rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, row in enumerate(rows, 1):
        writer.writerow([cell_text(cell) for cell in row])
        if number % _ROWS == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def cell_text(cell: object) -> str:
    """Return a cell as a CSV file has it: whole numbers without a point, times as ISO text, nothing for None."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    written = getattr(cell, "isoformat", None)
    return str(written() if written is not None else cell)


Array = NDArray[Any]
_HDF5 = b"\x89HDF"


def _read_arrays(path: Path, name: str) -> Iterator[Sequence[object]]:
    arrays = _matlab(path, name) if path.suffix.lower() == ".mat" else _numpy(path, name)
    yield from table_of(arrays, name)


def table_of(arrays: Mapping[str, Array], name: str) -> Iterator[Sequence[object]]:
    """Yield the names of columns, then rows; a matrix X has columns x0, x1, ...

    Raises:
        InputError: arrays of other shapes, or of different lengths.
    """
    columns: list[tuple[str, Array]] = []
    lower = [key.lower() for key, array in arrays.items() if array.ndim == 2]
    for key, array in arrays.items():
        if array.ndim not in (1, 2) or array.dtype.kind not in "biufUS":
            raise ArrayFileError(
                "arrays of numbers or texts with one or two axes", f"{array.dtype} {array.shape}", f"{name} {key}"
            )
        if array.dtype.kind == "S":
            array = decoded(array, f"{name} {key}")
        if array.ndim == 1:
            columns.append((key, array))
        else:
            head = key if lower.count(key.lower()) > 1 else key.lower()
            columns += [(f"{head}{index}", column) for index, column in enumerate(array.T)]
    lengths = {key: len(column) for key, column in columns}
    if len(set(lengths.values())) != 1:
        raise ArrayFileError("arrays of one length", ", ".join(f"{k} {n}" for k, n in lengths.items()) or "none", name)
    yield [key for key, _ in columns]
    yield from zip(*(column.tolist() for _, column in columns), strict=True)


def decoded(array: Array, where: str) -> Array:
    """Return an array of bytes as text.

    Raises:
        InputError: bytes of no known encoding.
    """
    for encoding in ("utf-8", WINDOWS):
        try:
            return np.char.decode(array, encoding)
        except UnicodeDecodeError:
            continue
    raise TextEncodingError(f"texts in UTF-8 or {WINDOWS}", "other bytes", where, "Write them as texts (dtype U)")


def is_table(path: Path) -> bool:
    """Return whether an .npz file holds columns or matrices, and no windows."""
    try:
        return all(array.ndim < 3 for array in _numpy(path, path.name).values())
    except InputError:
        return False


def holds_columns(path: Path) -> bool:
    """Return whether an .npz file holds columns by their names alone, and not samples X."""
    try:
        arrays = _numpy(path, path.name)
    except InputError:
        return False
    return "X" not in arrays and all(array.ndim == 1 for array in arrays.values())


def _numpy(path: Path, name: str) -> dict[str, Array]:
    try:
        if not is_archive(path):
            raise ArrayFileError("an .npz file", "another file, perhaps one array as an .npy file has it", name,
                             "Call it .npy, or write it with numpy.savez")  # fmt: skip
        return read_npz(path, name)
    except OSError as error:
        raise ArrayFileError("an .npz file", error.strerror or str(error), name, "Write it with numpy.savez") from None


def _matlab(path: Path, name: str) -> dict[str, Array]:
    with path.open("rb") as file:
        if b"MATLAB 7.3" in (opening := file.read(128)) or opening.startswith(_HDF5):
            raise ArrayFileError("a .mat file up to version 7", "version 7.3", name, "Save it with the option '-v7'")
    return {key: array.ravel() if 1 in array.shape else array for key, array in read_mat(path, name).items()}


ARRAYS = Format((".npz", ".mat"), _read_arrays)


_LINE = re.compile(r"[^\n]*\n?")


def _read_json_lines(path: Path, name: str) -> Iterator[Sequence[object]]:
    text = whole_text(path, name)
    # Twice, because the last row may have a key more: all rows at once would take seven times the memory of the file.
    columns: dict[str, None] = {}
    for row in _objects(text, name):
        columns.update(dict.fromkeys(row))
    yield list(columns)
    yield from ([row.get(column) for column in columns] for row in _objects(text, name))


def _objects(text: str, name: str) -> Iterator[dict[str, object]]:
    decoder = msgspec.json.Decoder(dict[str, object])
    for number, line in enumerate(_LINE.finditer(text), 1):
        if not line[0].strip():
            continue
        try:
            row = decoder.decode(line[0])
        except msgspec.MsgspecError as error:
            raise CsvError("a JSON object", str(error), f"{name} line {number}", "Write one object a row") from None
        for key, value in row.items():
            if isinstance(value, list | dict):
                got = "a list" if isinstance(value, list) else "an object"
                do = "Write one value a key, and a row a reading"
                raise CsvError("a number or a text", got, f"{name} line {number}, {key}", do)
        yield row


JSON_LINES = Format((".jsonl", ".ndjson"), _read_json_lines)


_PARQUET_ROWS = 1 << 16


def _read_parquet(path: Path, name: str) -> Iterator[Sequence[object]]:
    try:
        polars = importlib.import_module("polars")
    except ImportError:
        raise MissingExtraError("train", "polars, which reads Parquet files,") from None
    try:
        frame = polars.read_parquet(path, use_pyarrow=False)
    except FileNotFoundError:
        raise
    except (polars.exceptions.PolarsError, OSError) as error:
        raise ParquetDamagedError("a whole Parquet file", str(error).splitlines()[0][:120], name) from None
    yield frame.columns
    for part in frame.iter_slices(_PARQUET_ROWS):
        yield from zip(*(_cells(column) for column in part), strict=True)


def _cells(series: Any) -> list[object]:  # noqa: ANN401 - a series of polars, which a device has not
    if series.dtype.is_numeric():
        return list(series.to_list())
    if str(series.dtype) == "Boolean":
        return list(series.cast(int).to_list())
    return list(text_of(series).tolist())


def text_of(series: Any) -> NDArray[np.str_]:  # noqa: ANN401 - a series of polars, which a device has not
    """Return a column as text; times as ISO text, durations in seconds, lists by their type, missing values as ''."""
    polars = importlib.import_module("polars")
    if series.dtype.is_nested() or series.dtype in (polars.Binary, polars.Object):
        return np.full(len(series), str(series.dtype))
    if series.dtype == polars.Duration:
        series = series.dt.total_nanoseconds() / 1e9
    if series.dtype == polars.Datetime:
        zoned = series.dt.convert_time_zone("UTC") if getattr(series.dtype, "time_zone", None) else series
        series = zoned.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    return np.asarray(series.cast(polars.String).fill_null("").to_numpy().astype(np.str_))


PARQUET = Format((".parquet", ".pq"), _read_parquet)


_ATTRIBUTE = re.compile(r"@attribute\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))\s+\S", re.IGNORECASE)


def _read_relations(path: Path, name: str) -> Iterator[Sequence[object]]:
    lines = whole_text(path, name).split("\n")
    columns: list[str] = []
    start = len(lines)
    for number, line in enumerate(lines):
        if match := _ATTRIBUTE.match(line.strip()):
            columns.append(next(part for part in match.groups() if part is not None))
        elif line.strip().lower() == "@data":
            start = number + 1
            break
    if not columns or start == len(lines):
        raise CsvEmptyError("lines @attribute, a line @data and rows", "none", name)
    yield columns
    for number, line in enumerate(lines[start:], start + 1):
        text = line.strip()
        if not text or text.startswith("%"):
            continue
        if text.startswith("{"):
            raise CsvCellCountError(
                "a cell for every attribute", "a sparse row", f"{name} line {number}", "Write all cells"
            )
        quote = '"' if '"' in text and "'" not in text else "'"
        yield [cell.strip() for cell in next(csv.reader([text], quotechar=quote, skipinitialspace=True))]


RELATIONS = Format((".arff",), _read_relations)


def _read_spreadsheet(path: Path, name: str) -> Iterator[Sequence[object]]:
    try:
        calamine = importlib.import_module("python_calamine")
    except ImportError:
        raise MissingExtraError("train", f"python-calamine, which reads {path.suffix} files,") from None
    try:
        book = calamine.CalamineWorkbook.from_path(path)
        sheets = {title: book.get_sheet_by_name(title).to_python(skip_empty_area=True) for title in book.sheet_names}
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise CsvError("a spreadsheet", str(error), name, "Save it again, or as CSV") from None
    tables = {title: rows for title, rows in sheets.items() if len(rows) > 1}
    if not tables:
        raise CsvHeaderError("a sheet with a header and rows", "none", name)
    first, *others = tables
    same = [title for title in others if tables[title][0] == tables[first][0]]
    if same:
        raise CsvError("one sheet with these columns", f"{1 + len(same)}: {first}, {', '.join(same)}", name,
                         "Put all rows into one sheet, with a column that names it")  # fmt: skip
    if others:
        warnings.warn(f"{name}: the sheet {first!r} is read, and not {some_of(others, 3)}", DataWarning, 2)
    yield from tables[first]


SPREADSHEET = Format((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), _read_spreadsheet)


def _read_time_series(path: Path, name: str) -> Iterator[Sequence[object]]:
    head: dict[str, str] = {}
    series: list[tuple[list[list[str]], str]] = []
    lines = iter(enumerate(whole_text(path, name).split("\n"), 1))
    for _, line in lines:
        key, _, value = line.strip().partition(" ")
        if key.lower() == "@data":
            break
        head |= {key.lower(): value.strip().lower()} if key.startswith("@") else {}
    labelled = head.get("@classlabel", head.get("@targetlabel", "false")).startswith("true")
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if "(" in line:
            raise CsvError("series without time stamps", "pairs in brackets", f"{name} line {number}")
        parts = line.strip().split(":")
        label = parts.pop() if labelled else ""
        series.append(([part.split(",") for part in parts], label))
    if not series:
        raise CsvError("a line @data and series", "none", name)
    lengths = {len(channel) for channels, _ in series for channel in channels}
    ends = ["label"] if labelled else []
    if len(lengths) == 1 and all(len(channels) == 1 for channels, _ in series):
        yield [*(f"t{index}" for index in range(lengths.pop())), *ends]
        yield from ([*channels[0], *([label] if labelled else [])] for channels, label in series)
        return
    yield ["recording", *(f"x{index}" for index in range(max(len(channels) for channels, _ in series))), *ends]
    for number, (channels, label) in enumerate(series):
        for cells in zip_longest(*channels, fillvalue=""):
            yield [number, *cells, *([label] if labelled else [])]


TIME_SERIES = Format((".ts",), _read_time_series)
