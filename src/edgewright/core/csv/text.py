"""Bytes of a table as text in UTF-8: encodings, line ends, and files that are no table."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import UNSET, UnsetType

from edgewright.core.errors import CsvEmptyError, CsvNulByteError, CsvNumberError, TextEncodingError
from edgewright.core.formatting import MISSING_NUMBERS, UNITS, is_one_quantity, is_same_unit
from edgewright.core.records.data import Column, Labels, Numerals

WINDOWS = "cp1252"
"""Encoding of Western Windows, which is taken where bytes are no UTF-8."""
# Bytes at the beginning that show whether every second one is 0.
_LOOKED_AT = 1000
# How files begin that people hand over for CSV.
_OTHERS = {
    b"RIFF": "a sound file (WAV)",
    b"PK\x03\x04": "a ZIP file or a spreadsheet",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file without the ending .gz",
    b"\xfd7zXZ": "an xz file without the ending .xz",
    b"\x93NUMPY": "a NumPy file",
}


@dataclass(frozen=True)
class Block:
    """Whole lines, each ended by a line feed.

    Attributes:
        data: in UTF-8.
        line: number of the first one, counted from 1.
        encoding: of the file.
        by_line: whether each line is read by itself, so that a damaged one damages no other.
    """

    data: bytes
    line: int
    encoding: str = "utf-8"
    by_line: bool = False


class TextDecoder:
    """The text of a file as UTF-8: from UTF-16, or from the encoding of Western Windows where no letter was UTF-8.

    Args:
        name: name of the file, for messages.
        by_line: keep NUL bytes, and replace bytes of no known encoding, for a reader that reports them by line.
    """

    def __init__(self, name: str, *, by_line: bool = False) -> None:
        self._name, self._by_line = name, by_line
        self._encoding = ""

    def plain(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield pieces of UTF-16 as UTF-8, and others as they are.

        Raises:
            InputError: the text ends within a letter.
        """
        first = next(pieces, b"")
        while 0 < len(first) < 2 and (more := next(pieces, b"")):
            first += more
        wide = _wide_encoding(first)
        if not wide:
            yield from itertools.chain([first], pieces)
            return
        self._encoding, decoder = "utf-16", codecs.getincrementaldecoder(wide)()
        try:
            for piece in itertools.chain([first], pieces):
                yield decoder.decode(piece).encode()
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise TextEncodingError(
                "whole text in UTF-16", str(error), self._name, "Fetch or write the file again"
            ) from None

    def clean(self, data: bytes, line: int) -> Block:
        """Return a block with line feeds at its line ends.

        Raises:
            InputError: another kind of file, bytes of no known encoding, or NUL bytes.
        """
        if line == 1:
            other = next((kind for start, kind in _OTHERS.items() if data.startswith(start)), "")
            if other:
                raise CsvEmptyError("a CSV file", other, self._name, "Write its rows as CSV, a column a channel")
            data = data.removeprefix(codecs.BOM_UTF8)
        if not data.isascii():
            data = self._utf8(data, line)
        at = -1 if self._by_line else data.find(b"\0")
        if at >= 0:
            do = "This is not a CSV file, or writing it was interrupted"
            raise CsvNulByteError("text", "a NUL byte", _where(data, at, line, self._name), do)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return Block(data, line, self._encoding or "utf-8", self._by_line)

    def _utf8(self, data: bytes, line: int) -> bytes:
        at = 0
        # Text from UTF-16 is UTF-8 by now.
        own = WINDOWS if self._encoding == WINDOWS else "utf-8"
        for encoding in (own,) if self._encoding else (own, WINDOWS):
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError as error:
                at = at or error.start
                continue
            self._encoding = self._encoding or encoding
            return data if encoding == "utf-8" else text.encode()
        if self._by_line:
            return data.decode("utf-8", "replace").encode()
        raise TextEncodingError(
            f"text in UTF-8, UTF-16 or {WINDOWS}", f"the byte 0x{data[at]:02x}", _where(data, at, line, self._name),
            "Save the file as UTF-8",
        )  # fmt: skip


def _wide_encoding(first: bytes) -> str:
    """Return the encoding whose letters have two bytes: by its mark, or by the halves that are 0; empty for others."""
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    few = first[:_LOOKED_AT].rstrip(b"\0")  # NUL bytes at the end are those of a power cut
    for encoding, half in (("utf-16-le", few[1::2]), ("utf-16-be", few[::2])):
        if len(few) > 1 and half.count(0) > 0.8 * len(half):
            return encoding
    return ""


def _where(data: bytes, at: int, line: int, name: str) -> str:
    before = data.count(b"\n", 0, at)
    return f"{name} line {line + before}"


def whole_text(path: Path, name: str) -> str:
    """Return the text of a file of one of the formats, in any encoding that a CSV file may have.

    Raises:
        InputError: bytes of no known encoding, or NUL bytes.
        OSError: the file cannot be read.
    """
    text = TextDecoder(name)
    return text.clean(b"".join(text.plain(iter([path.read_bytes()]))), 1).data.decode()


_THOUSANDS = ("", ",", ".", " ", "\u202f", "\xa0", "'", "\u2019")
_SPOKEN = {",": "a comma", ".": "a point", "'": "an apostrophe", "\u2019": "an apostrophe"}
_SUFFIX = re.compile(r"(?<=[\d.,])\s*([^\d\s.,'\u2019+-]\D*)$")
# A clock has to know its unit, which a number without it does not say.
_NO_CLOCK = UNITS - {"min", "h", "s", "ms", "us", "µs", "μs", "ns"}


class NumberForm(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimal: before the digits behind the point.
        thousands: between groups of three digits; empty for nothing.
        unit: behind each number; empty for none.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    @classmethod
    def of(cls, column: Column) -> NumberForm | None:
        """Return the form of a model's column; None where its numbers were written as a program reads them."""
        if not isinstance(column.numerals, Numerals):
            return None
        return cls(column.numerals.decimal, column.numerals.thousands, column.unit)

    @property
    def numerals(self) -> Numerals | UnsetType:
        """What a model keeps of the form; unset where numbers are written as a program reads them."""
        return UNSET if self == PLAIN else Numerals(decimal=self.decimal, thousands=self.thousands)

    def plain(self, cell: str) -> str | None:
        """Return a cell as `float` reads it, '' where it is missing; None for one of another form."""
        text = cell.strip()
        if text.lower() in MISSING_NUMBERS:
            return ""
        bare = self._bare(text)
        if not self.fits(bare):
            return None
        if self.thousands:
            bare = bare.replace(self.thousands, "")
        return bare.replace(self.decimal, ".")

    def _bare(self, text: str) -> str:
        """Return a text without its unit, however that is spelled."""
        if not self.unit or not (match := _SUFFIX.search(text)) or not is_same_unit(match[1], self.unit):
            return text
        return text[: match.start()]

    def fits(self, bare: str) -> bool:
        """Return whether a number without its unit has this form."""
        return _pattern(self.decimal, self.thousands).fullmatch(bare) is not None

    def __str__(self) -> str:
        words = ["decimal comma"] if self.decimal == "," else []
        words += [f"{_SPOKEN.get(self.thousands, 'a blank')} between thousands"] if self.thousands else []
        return ", ".join([*words, *([f"{self.unit} behind each number"] if self.unit else [])])


PLAIN = NumberForm()
_GERMAN = NumberForm(",", ".")


@cache
def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    groups = rf"|[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+" if thousands else ""
    point = re.escape(decimal)
    return re.compile(rf"[+-]?(?:(?:\d+{groups})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?")


def number_forms(columns: Mapping[str, Sequence[str]]) -> dict[str, tuple[NumberForm, ...]]:
    """Return the forms of each column of numbers that are not written as a program reads them.

    Args:
        columns: cells by name, of the first rows.

    Returns:
        One form a column; several where the numbers have two units of one quantity, or can be read in two ways.
    """
    fitting: dict[str, tuple[NumberForm, ...]] = {}
    numbers: dict[str, list[str]] = {}
    for name, cells in columns.items():
        known = [text for cell in cells if (text := cell.strip()).lower() not in MISSING_NUMBERS]
        units = _units(known)
        if known and units:
            numbers[name] = [_without_unit(text, units) for text in known] if units != [""] else known
            fitting[name] = _fitting(numbers[name], units)
    decided = {forms[0][:2] for forms in fitting.values() if len({form[:2] for form in forms}) == 1} - {PLAIN[:2]}
    decimals = {decimal for decimal, _ in decided}
    for name, forms in fitting.items():
        # 1,234 is both; another column of the file may show which.
        same = tuple(form for form in forms if form.decimal in decimals)
        if len(decimals) == 1 and len({form[:2] for form in same}) == 1:
            fitting[name] = same
    if "," in decimals:
        pointed = {name: forms[0] for name, forms in fitting.items() if len(forms) == 1 and forms[0][:2] == PLAIN[:2]}
        fitting |= _beside_commas({name: numbers[name] for name in pointed}, pointed, decided)
    return {name: forms for name, forms in fitting.items() if forms and forms != (PLAIN,)}


def _beside_commas(
    numbers: Mapping[str, Sequence[str]], forms: Mapping[str, NumberForm], decided: Collection[tuple[str, str]]
) -> dict[str, tuple[NumberForm, ...]]:
    """Return the forms of columns that are written as a program reads them, in a file with decimal commas elsewhere.

    Where other columns have points between thousands, so has a column of 1.234; else that is read in two ways. Whole
    numbers may go on with points between thousands; decimal points may not come behind them.

    Args:
        numbers: of the first rows, without units, by column.
        forms: of the columns, with their units.
        decided: decimal signs and separators of thousands of the other columns.
    """
    whole = {name for name, texts in numbers.items() if not any("." in text for text in texts)}
    thousands = {name for name, texts in numbers.items() if name not in whole and all(map(_GERMAN.fits, texts))}
    mixed = len(whole) + len(thousands) < len(numbers) or any(decimal == "." for decimal, _ in decided)
    by_name: dict[str, tuple[NumberForm, ...]] = {}
    for name in [name for name in numbers if name in whole or name in thousands]:
        other = NumberForm(",", "" if mixed and name in whole else ".", forms[name].unit)
        sure = name in thousands and not mixed and _GERMAN[:2] in decided
        by_name[name] = (other,) if sure else (forms[name], other)
    return by_name


def only_form(forms: Sequence[NumberForm], cells: Iterable[str], where: str) -> NumberForm:
    """Return the form of a column that is read as numbers, the last one where all forms read its cells alike.

    Args:
        forms: of the column, at least one.
        cells: of its first rows.
        where: file and column, for errors.

    Raises:
        InputError: two units, or numbers that can be read in two ways.
    """
    if len(forms) == 1:
        return forms[0]
    if units := list(dict.fromkeys(form.unit for form in forms if form.unit))[1:]:
        raise CsvNumberError("one unit in a column", " and ".join([forms[0].unit, *units]), where,
                         "Convert the rows of the other unit")  # fmt: skip
    for cell in cells:
        readings = list(dict.fromkeys(number for form in forms if (number := form.plain(cell)) is not None))
        if len(readings) > 1:
            raise CsvNumberError(
                "numbers that are read in one way only", f"{cell.strip()!r}, which is {' or '.join(readings)}",
                where, "Write decimals with a point, and nothing between thousands",
            )  # fmt: skip
    return forms[-1]


def plain_cells(cells: Labels, forms: Sequence[NumberForm]) -> Labels:
    """Return the cells of a column as a program reads them where most of its texts are numbers; else as they are.

    Args:
        cells: shape (rows,).
        forms: of the column, by its first rows; the first one that fits a cell counts.
    """
    texts, rows = np.unique(np.char.strip(cells), return_inverse=True)
    known = [text for text in texts.tolist() if text.lower() not in MISSING_NUMBERS]
    plain = {text: number for text in known for form in reversed(forms) if (number := form.plain(text))}
    if 2 * len(plain) <= len(known):
        return cells
    return np.array([plain.get(text, text) for text in texts.tolist()], np.str_)[rows]


def _units(known: Sequence[str]) -> list[str]:
    """Return the units behind the numbers of a column, [''] for none; empty where something else stands there."""
    behind = dict.fromkeys(match[1] if (match := _SUFFIX.search(text)) else "" for text in known)
    units = [unit for unit in behind if unit]
    if not all(unit in _NO_CLOCK for unit in units) or (units and not is_one_quantity(units)):
        return []
    if "" in behind and any(len(unit) == 1 and unit.isalpha() for unit in units):
        # One letter behind a few cells is a factor (2.2K) or a place (seat 12A).
        return []
    return units or [""]


def _without_unit(text: str, units: Sequence[str]) -> str:
    unit = next((unit for unit in sorted(units, key=len, reverse=True) if text.endswith(unit)), "")
    return text.removesuffix(unit).rstrip()


def _fitting(bare: Sequence[str], units: Sequence[str]) -> tuple[NumberForm, ...]:
    """Return the forms that fit all numbers of a column, whose separators are there; spellings of one unit are one."""
    signs = {sign for text in bare for sign in text}
    different = [unit for index, unit in enumerate(units) if not any(map(partial(is_same_unit, unit), units[:index]))]
    return tuple(
        NumberForm(decimal, thousands, unit)
        for unit in different
        for thousands in _THOUSANDS
        for decimal in (".", ",")
        if decimal != thousands and (not thousands or thousands in signs)
        and (decimal == "." or "," in signs or any(text.count(".") > 1 for text in bare))
        and all(NumberForm(decimal, thousands).fits(text) for text in bare)
    )  # fmt: skip
