"""What a person needs: latency=5ms,offline,privacy,battery=1y,bandwidth=1MB/day,price=10USD/y,flash=64kB,score=0.9."""

from __future__ import annotations

import math
import re

from edgewright.schema.advice import Need
from edgewright.schema.errors import InputError, UnknownNameError

_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1048576.0}
_PER_DAY = {"day": 1.0, "d": 1.0, "h": 24.0, "s": 86400.0, "month": 12 / 365.25}
_DAYS = {"h": 1 / 24, "d": 1.0, "day": 1.0, "days": 1.0, "w": 7.0, "month": 365.25 / 12, "months": 365.25 / 12,
         "y": 365.25, "year": 365.25, "years": 365.25}  # fmt: skip
_PER_YEAR = {"y": 1.0, "year": 1.0, "month": 12.0, "day": 365.25, "d": 365.25}
# Of each need with an amount: units in what the limit is kept in, and an example.
AMOUNTS: dict[str, tuple[dict[str, float], str]] = {
    "latency": ({"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}, "5ms"),
    "battery": (_DAYS, "1y"),
    "bandwidth": ({f"{b}/{d}": n * m for b, n in _BYTES.items() for d, m in _PER_DAY.items()}, "1MB/day"),
    "price": ({f"{d}/{y}": m for d in ("USD", "$") for y, m in _PER_YEAR.items()}, "10USD/y"),
    "flash": (_BYTES, "64kB"),
    "ram": (_BYTES, "16kB"),
    "score": ({"": 1.0, "%": 0.01}, "0.9"),
}
PLAIN = {
    "offline": "answers without internet",
    "privacy": "readings do not leave the device",
}
KNOWN = tuple(sorted((*AMOUNTS, *PLAIN)))
_NUMBER = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(.*)")
EXAMPLE = "latency=5ms,offline,privacy,battery=1y,bandwidth=1MB/day,price=10USD/y"


def parse_needs(text: str, where: str = "--need") -> tuple[Need, ...]:
    """Reads needs separated by commas; an empty text has none.

    Limits are seconds (latency), days (battery), bytes a day (bandwidth), US dollars a year (price), bytes (flash,
    ram) and a score as the ladder judges by.

    Raises:
        InputError: an amount that is missing, too much, has no unit or another's, or is not above zero; a need twice.
        UnknownNameError: a need that is not known.
    """
    found: dict[str, Need] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, amount = (word.strip() for word in part.partition("="))
        if name not in KNOWN:
            raise UnknownNameError("need", name, KNOWN, where)
        if name in found:
            raise InputError(f"one {name}", "two", where)
        if name in PLAIN:
            if equals:
                raise InputError(f"{name} alone", repr(part), where)
            found[name] = Need(name=name, text=name)
            continue
        units, example = AMOUNTS[name]
        if not amount:
            raise InputError(f"{name}={example}", repr(part), where)
        found[name] = Need(name=name, text=f"{name}={amount}", limit=_limit(amount, units, example, f"{where} {name}"))
    return tuple(found.values())


def _limit(text: str, units: dict[str, float], example: str, where: str) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InputError(f"an amount such as {example}", repr(text), where)
    if match[2] not in units:
        known = ", ".join(unit or "no unit" for unit in units)
        raise InputError(f"one of the units {known}", repr(match[2]) if match[2] else "none", where)
    value = float(match[1]) * units[match[2]]
    if not 0 < value < math.inf:
        raise InputError("an amount above zero", repr(text), where)
    return value


def limit_of(needs: tuple[Need, ...], name: str) -> float | None:
    """The limit of a need; None where it was not asked for."""
    return next((need.limit for need in needs if need.name == name), None)
