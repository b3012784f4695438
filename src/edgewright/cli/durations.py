"""Lengths of time as people write them."""

from __future__ import annotations

import re

from edgewright.schema.errors import InputError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*")


def seconds_of(text: str, where: str, *, zero: bool = False) -> float:
    """'90', '30min', '12h', '1d', '1w' in seconds; none at all only where `zero` allows it.

    Raises:
        InputError: anything else.
    """
    match = _LENGTH.fullmatch(text.lower())
    if match is None or match[2] not in _UNITS or not (float(match[1]) > 0 or zero):
        raise InputError("a length of time such as 30min, 12h or 1d", repr(text), where)
    return float(match[1]) * _UNITS[match[2]]
