"""Opening files: the names of a CSV's columns before it is read, all of it as text, or any file's bytes."""

from __future__ import annotations

from pathlib import Path

from edgewright.core.csv.number_forms import plain_cells
from edgewright.core.csv.rows import iter_csv, open_csv, read_csv
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError


def read_whole(path: Path, where: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        InputError: for a file that cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("a file that can be read", error.strerror or str(error), where) from error


def read_utf8(path: Path, expected: str, do: str = "", largest: int = 256 << 20) -> str:
    """Read a text file in UTF-8.

    Args:
        path: of the file.
        expected: what it is, for an error.
        do: advice where it cannot be read.
        largest: bytes that it may have.

    Raises:
        InputError: for a file that cannot be read, is too large or is not UTF-8.
    """
    try:
        if path.stat().st_size > largest:
            raise InputError(f"at most {largest >> 20} MB", f"{path.stat().st_size >> 20} MB", str(path))
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(expected, error.strerror or str(error), str(path), do) from None
    except UnicodeDecodeError as error:
        raise InputError("text in UTF-8", f"byte {error.start} that is not", str(path), "Save it as UTF-8") from None


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
