"""What single cells say: a number, a date, or that nothing was measured."""

from __future__ import annotations

import re

MISSING_NUMBERS = frozenset(
    {"", "nan", "na", "?", "n/a", "#n/a", "#na", "<na>", "null", "none", "nil", "-", "--", "---", "missing", "#value!"}
)
"""Spellings of a missing number, in lower case."""
MISSING_LABELS = frozenset({"", "nan", "na", "n/a", "null", "?"})
"""Spellings of a missing label, in lower case: `none` and `-` may be classes."""
MISSING_TEXTS = frozenset({"", "nan", "na", "?"})
"""Spellings of a missing text of a category, in lower case, as packages know them."""
_DATE = re.compile(r"\d{4}([-/])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{2,4}|\d{1,2}:\d\d")


def is_number(text: str) -> bool:
    """Return whether a cell holds a number as a program writes it, be it infinite or none (`nan`)."""
    try:
        float(text)
    except ValueError:
        return False
    # Python reads 1_000 as a number; no other reader of CSV does.
    return "_" not in text


def is_date(text: str) -> bool:
    """Return whether a cell begins as a date or a time of day."""
    return _DATE.match(text) is not None
