"""Spreadsheets: the first sheet with a table."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgewright.core.csv.formats import Format
from edgewright.core.formatting import some_of
from edgewright.schema.errors import DataWarning, InputError, MissingExtraError


def _rows(path: Path, name: str) -> Iterator[Sequence[object]]:
    try:
        calamine = importlib.import_module("python_calamine")
    except ImportError:
        raise MissingExtraError("train", f"python-calamine, which reads {path.suffix} files,") from None
    try:
        book = calamine.CalamineWorkbook.from_path(path)
        sheets = {title: book.get_sheet_by_name(title).to_python(skip_empty_area=True) for title in book.sheet_names}
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise InputError("a spreadsheet", str(error), name, "Save it again, or as CSV") from None
    tables = {title: rows for title, rows in sheets.items() if len(rows) > 1}
    if not tables:
        raise InputError("a sheet with a header and rows", "none", name)
    first, *others = tables
    same = [title for title in others if tables[title][0] == tables[first][0]]
    if same:
        raise InputError("one sheet with these columns", f"{1 + len(same)}: {first}, {', '.join(same)}", name,
                         "Put all rows into one sheet, with a column that names it")  # fmt: skip
    if others:
        warnings.warn(f"{name}: the sheet {first!r} is read, and not {some_of(others, 3)}", DataWarning, 2)
    yield from tables[first]


FORMAT = Format((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), _rows)
