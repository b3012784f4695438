"""Numbers with a decimal comma, which would be taken for text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgewright.data.categories import values_of
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError

_COMMA = re.compile(r"[+-]?\d*,\d+")
# Cells that are looked at in each column.
_SEEN = 200


def refuse_decimal_commas(columns: Mapping[str, Labels], path: str) -> None:
    """Name the first column whose numbers have commas.

    Raises:
        InputError: there is one.
    """
    for name, cells in columns.items():
        values = values_of(cells[:_SEEN])
        if values and all(_COMMA.fullmatch(value) for value in values):
            raise InputError("numbers with a decimal point", f"{values[0]!r} in column {name!r}", path,
                             "Write the table with decimal points, or replace the commas")  # fmt: skip
