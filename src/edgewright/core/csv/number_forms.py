"""Numbers as people write them in a column: decimal commas, separators of thousands, units behind them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from msgspec import UNSET, UnsetType

from edgewright.core.units import MISSING_NUMBERS, UNITS, is_one_quantity, is_same_unit
from edgewright.schema.data import Column, Labels, Numerals
from edgewright.schema.errors import InputError

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
        raise InputError("one unit in a column", " and ".join([forms[0].unit, *units]), where,
                         "Convert the rows of the other unit")  # fmt: skip
    for cell in cells:
        readings = list(dict.fromkeys(number for form in forms if (number := form.plain(cell)) is not None))
        if len(readings) > 1:
            raise InputError(
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
