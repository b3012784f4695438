"""Numbers as people write them in a column: decimal commas, separators of thousands, units behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from edgewright.core.csv.units import UNITS
from edgewright.schema.errors import InputError

MISSING_NUMBERS = frozenset(
    {"", "nan", "na", "?", "n/a", "#n/a", "#na", "<na>", "null", "none", "nil", "-", "--", "---", "missing", "#value!"}
)
"""Spellings of a missing number, in lower case."""
_THOUSANDS = ("", ",", ".", " ", "\u202f", "\xa0", "'", "\u2019")
_SPOKEN = {",": "a comma", ".": "a point", "'": "an apostrophe", "\u2019": "an apostrophe"}
_SUFFIX = re.compile(r"(?<=[\d.,])\s*([^\d\s.,'\u2019+-]\D*)$")
# A clock has to know its unit, which a number without it does not say.
_NO_CLOCK = UNITS - {"min", "h", "s", "ms", "us", "µs"}


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

    def plain(self, cell: str) -> str:
        """Return a cell as `float` reads it, '' where it is missing; one of another form as it is."""
        text = cell.strip()
        if text.lower() in MISSING_NUMBERS:
            return ""
        bare = text.removesuffix(self.unit).rstrip()
        if not self.fits(bare):
            return cell
        if self.thousands:
            bare = bare.replace(self.thousands, "")
        return bare.replace(self.decimal, ".")

    def fits(self, bare: str) -> bool:
        """Return whether a number without its unit has this form."""
        return _pattern(self.decimal, self.thousands).fullmatch(bare) is not None

    def __str__(self) -> str:
        words = ["decimal comma"] if self.decimal == "," else []
        words += [f"{_SPOKEN.get(self.thousands, 'a blank')} between thousands"] if self.thousands else []
        return ", ".join([*words, *([f"{self.unit} behind each number"] if self.unit else [])])


PLAIN = NumberForm()


@cache
def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    groups = rf"|[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+" if thousands else ""
    point = re.escape(decimal)
    return re.compile(rf"[+-]?(?:(?:\d+{groups})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?")


def number_forms(columns: Mapping[str, Sequence[str]], where: str) -> dict[str, NumberForm]:
    """Return the form of each column of numbers that are not written as a program reads them.

    Args:
        columns: cells by name, of the first rows.
        where: the file, for errors.

    Raises:
        InputError: two units in a column, or numbers that can be read in two ways.
    """
    fitting: dict[str, list[NumberForm]] = {}
    numbers: dict[str, list[str]] = {}
    for name, cells in columns.items():
        known = [text for cell in cells if (text := cell.strip()).lower() not in MISSING_NUMBERS]
        unit = _unit(known, f"{where}, column {name}")
        if known and unit is not None:
            numbers[name] = [text.removesuffix(unit).rstrip() for text in known]
            fitting[name] = _fitting(numbers[name], unit)
    found = {name: fits[0] for name, fits in fitting.items() if len(fits) == 1}
    decided = {form[:2] for form in found.values() if form[:2] != PLAIN[:2]}
    decimals = {decimal for decimal, _ in decided}
    for name, fits in fitting.items():
        if len(fits) > 1:
            # 1,234 is both; another column of the file may show which.
            same = [form for form in fits if form.decimal in decimals]
            if len(same) != 1 or len(decimals) != 1:
                example = next(text for text in numbers[name] if "," in text)
                raise InputError(
                    "numbers that are read in one way only",
                    f"{example!r}, which is {' or '.join(form.plain(example) for form in fits)}",
                    f"{where}, column {name}", "Write decimals with a point, and nothing between thousands",
                )  # fmt: skip
            found[name] = same[0]
    german = NumberForm(",", ".")
    for name in [name for name, form in found.items() if form == PLAIN] if german[:2] in decided else ():
        # Beside 1.234,5 a column of 1.234 holds thousands, too.
        if any("." in text for text in numbers[name]) and all(map(german.fits, numbers[name])):
            found[name] = german
    return {name: form for name, form in found.items() if form != PLAIN}


def _unit(known: Sequence[str], where: str) -> str | None:
    """Return the unit behind the numbers of a column, '' for none; None where something else stands there.

    Raises:
        InputError: two units.
    """
    found = dict.fromkeys(match[1] if (match := _SUFFIX.search(text)) else "" for text in known)
    units = [unit for unit in found if unit]
    if not all(unit in _NO_CLOCK for unit in units):
        return None
    if len(units) > 1:
        raise InputError("one unit in a column", " and ".join(units), where, "Convert the rows of the other unit")
    return units[0] if units else ""


def _fitting(bare: Sequence[str], unit: str) -> list[NumberForm]:
    """Return the forms that fit all numbers of a column, whose separators are there."""
    signs = {sign for text in bare for sign in text}
    return [
        NumberForm(decimal, thousands, unit)
        for thousands in _THOUSANDS
        for decimal in (".", ",")
        if decimal != thousands and (not thousands or thousands in signs) and (decimal == "." or "," in signs)
        and all(NumberForm(decimal, thousands).fits(text) for text in bare)
    ]  # fmt: skip
