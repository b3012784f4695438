"""Text for people: the lines of any structure, tables as wide as their cells, moments and files by name."""

from __future__ import annotations

import dataclasses
import datetime
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from edgewright.core.formatting import amount, bytes_text, microseconds_text, number, printable, seconds_text

# Names of fields that hold seconds since 1970, and from which value on they can be.
_MOMENTS = frozenset({"at", "time", "made", "reported", "since", "until", "expires", "first", "last", "written"})
_YEAR_2001 = 1e9
_INTERVAL = {"value", "low", "high"}
_FIGURE = {"value", "unit", "source"}
_LARGE = {"Hz": (1e6, "MHz"), "B/s": (1e9, "GB/s")}


class Cut(str):
    """A line that is cut where the terminal ends, and so never broken into two."""

    __slots__ = ()


def plain(text: str) -> str:
    """Return text from devices without control characters, which a terminal would obey."""
    return printable(text, "�")


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset(), *, cut: bool = False
) -> list[str]:
    """Return lines of a table.

    Args:
        heads: of the columns; none where all are empty.
        rows: texts.
        right: indices of columns of numbers.
        cut: lines where the terminal ends.
    """
    cells = [[plain(cell) for cell in row] for row in ((heads, *rows) if any(heads) else rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    line = Cut if cut else str
    return [
        line("  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip())
        for row in cells
    ]  # fmt: skip


def fitting(line: str, width: int) -> str:
    """Return a line that is no wider than the screen."""
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"


def fitted(line: str) -> str:
    """Return a line as it fits standard output: whole, where that is no terminal."""
    return fitting(line, shutil.get_terminal_size().columns) if sys.stdout.isatty() else str(line)


def when(moment: float | None) -> str:
    """Return a time for people, in UTC; '-' for none."""
    if moment is None:
        return "-"
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def wrote(*files: Path | str) -> str:
    """Return the line about files that were written."""
    *others, last = (click.format_filename(file) for file in files)
    return f"wrote {', '.join(others)}{' and ' if others else ''}{last}"


def describe(value: object, indent: str = "") -> Iterator[str]:
    """Yield the lines of any value: a label and a value a field, a table of a list of structures.

    A field whose name ends in `bytes`, `_s`, `seconds` or `_us` has that unit; an interval is `.94 (.91 to .96)`, and a
    figure of a profile is its amount and its source.

    Args:
        value: a structure, a dataclass, a dictionary, a list of them, or anything plain.
        indent: before each line.
    """
    known = _fields(value)
    if known is None:
        yield from _listed(value, indent) if _is_table(value) else (f"{indent}{_plain_value('', value)}",)
        return
    width = max((len(_label(name)) for name, field in known.items() if not _is_nested(field)), default=0)
    for name, field in known.items():
        if _is_nested(field):
            yield f"{indent}{_label(name)}"
            yield from describe(field, f"{indent}  ")
        else:
            yield f"{indent}{_label(name):<{width}}  {_plain_value(name, field)}"


def _fields(value: object) -> dict[str, Any] | None:
    """Return the fields of a structure by name; None of anything else."""
    if isinstance(value, Mapping):
        return {str(name): field for name, field in value.items()}
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value._asdict() if isinstance(value, tuple) and hasattr(value, "_asdict") else None


def _is_table(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(_fields(item) for item in value)


def _is_nested(value: object) -> bool:
    fields = _fields(value)
    return _is_table(value) or bool(fields and not fields.keys() >= _INTERVAL and not fields.keys() >= _FIGURE)


def _listed(items: Any, indent: str) -> Iterator[str]:  # noqa: ANN401 - any structures
    rows = [_fields(item) or {} for item in items]
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_plain_value(name, row.get(name)) for name in names] for row in rows]
    numbers = {
        index for index, name in enumerate(names)
        if all(isinstance(row.get(name), int | float | None) for row in rows)
    }  # fmt: skip
    for line in table([_label(name) for name in names], cells, frozenset(numbers)):
        yield indent + line


def _label(name: str) -> str:
    for unit in ("_s", "_us", "_seconds", "_bytes"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _plain_value(name: str, value: Any) -> str:  # noqa: ANN401 - of any field
    if value is None or value in ("", [], (), {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if name.endswith("bytes"):
            return bytes_text(value)
        if name.endswith("_us"):
            return microseconds_text(value)
        if name.endswith(("_s", "seconds")):
            return seconds_text(value)
        if isinstance(value, float) and value > _YEAR_2001 and (name in _MOMENTS or name.endswith("_at")):
            return when(value)
        return f"{value:,}" if isinstance(value, int) else number(value)
    if isinstance(value, Path):
        return click.format_filename(value)
    if isinstance(value, bytes):
        return value.hex()
    fields = _fields(value)
    if fields and fields.keys() >= _INTERVAL:
        middle, low, high = (number(fields[key]) for key in ("value", "low", "high"))
        return f"{middle} ({low} to {high})"
    if fields and fields.keys() >= _FIGURE:
        scale, unit = _LARGE.get(fields["unit"], (1.0, ""))
        large = unit and fields["value"] >= scale
        size = amount(fields["value"] / scale, unit) if large else amount(fields["value"], fields["unit"])
        return f"{size}: {fields['source']}"
    if fields is not None:
        return ", ".join(f"{key} {_plain_value(key, field)}" for key, field in fields.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_plain_value(name, item) for item in value)
    return plain(str(value))
