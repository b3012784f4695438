"""Columns whose names differ in one number alone, such as `t0` to `t149`, or `400 nm` to `700 nm`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

FEWEST_VALUES = 16
"""Columns that may be values one after the other at least."""
# No step between numbers is so many times as large as the usual one, or as small.
_UNEVEN = 3.0
_NUMBER = re.compile(r"(?:^-)?\d+(?:\.\d+)?")
MARK = "#"
"""Stands for the number in the name of a family: `t#`."""


def are_even(numbers: Sequence[float]) -> bool:
    """Return whether numbers all rise or all fall, at steps that hardly differ, as those of an axis do."""
    steps = [after - before for before, after in pairwise(numbers)]
    usual = median(steps) if steps else 0.0
    few = len(numbers) < FEWEST_VALUES
    return not few and usual != 0 and all(1 / _UNEVEN <= step / usual <= _UNEVEN for step in steps)


def families(names: Iterable[str]) -> dict[str, dict[float, str]]:
    """Return the columns of each family by their numbers in ascending order, the largest family first.

    A column belongs to the largest family that its name fits: `ch1_t0` to `ch1_t99` and not to `ch1_t0`, `ch2_t0`.

    Args:
        names: of columns.

    Returns:
        Names by number, by the name of the family: `{"t#": {0.0: "t0", 1.0: "t1"}}`.
    """
    fits: dict[str, dict[float, str]] = {}
    for name in names:
        for match in _NUMBER.finditer(name):
            family = f"{name[: match.start()]}{MARK}{name[match.end() :]}"
            fits.setdefault(family, {}).setdefault(float(match[0]), name)
    used: set[str] = set()
    chosen: dict[str, dict[float, str]] = {}
    for family, columns in sorted(fits.items(), key=lambda fit: -len(fit[1])):
        own = {number: columns[number] for number in sorted(columns) if columns[number] not in used}
        if own:
            chosen[family] = own
            used.update(own.values())
    return dict(sorted(chosen.items(), key=lambda fit: -len(fit[1])))
