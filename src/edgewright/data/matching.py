"""Names of a file against names of a model: columns, labels and units that a loader renamed still find each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from edgewright.core.units import spelled, unit_in
from edgewright.schema.data import Column, Labels
from edgewright.schema.errors import InputError, UnknownNameError

_BRACKETS = re.compile(r"[\[(][^\])]*[\])]")
# What two classes are called that say whether something is so.
_NO, _YES = frozenset({"0", "false", "no", "n", "off"}), frozenset({"1", "true", "yes", "y", "on"})
# Units of one quantity: value in the first = value * factor + offset.
_UNITS = {
    "K": ("K", 1.0, 0.0), "°C": ("K", 1.0, 273.15), "°F": ("K", 5 / 9, 273.15 - 160 / 9),
    "m/s²": ("m/s²", 1.0, 0.0), "g": ("m/s²", 9.80665, 0.0), "mg": ("m/s²", 0.00980665, 0.0),
    "rad/s": ("rad/s", 1.0, 0.0), "deg/s": ("rad/s", np.pi / 180, 0.0),
    "V": ("V", 1.0, 0.0), "mV": ("V", 1e-3, 0.0), "A": ("A", 1.0, 0.0), "mA": ("A", 1e-3, 0.0),
    "W": ("W", 1.0, 0.0), "kW": ("W", 1e3, 0.0), "Pa": ("Pa", 1.0, 0.0), "hPa": ("Pa", 100.0, 0.0),
    "kPa": ("Pa", 1e3, 0.0), "mbar": ("Pa", 100.0, 0.0), "bar": ("Pa", 1e5, 0.0), "MPa": ("Pa", 1e6, 0.0),
    "m": ("m", 1.0, 0.0), "cm": ("m", 1e-2, 0.0), "mm": ("m", 1e-3, 0.0), "km": ("m", 1e3, 0.0),
    "s": ("s", 1.0, 0.0), "ms": ("s", 1e-3, 0.0), "min": ("s", 60.0, 0.0), "h": ("s", 3600.0, 0.0),
    "Hz": ("Hz", 1.0, 0.0), "kHz": ("Hz", 1e3, 0.0), "1": ("1", 1.0, 0.0), "%": ("1", 1e-2, 0.0),
}  # fmt: skip


def plain(name: str) -> str:
    """Normalize a name: without unit in brackets, case and signs, so 'Air temperature [K]' equals 'air_temperature'."""
    return "".join(sign for sign in _BRACKETS.sub("", name).casefold() if sign.isalnum())


def find_name(wanted: str, there: Sequence[str], given: Mapping[str, str]) -> str | None:
    """Return the one of `there` that stands for a name; None where none does, or more than one could.

    Args:
        wanted: name of the model.
        there: names of the file.
        given: names of the file that a person said, and the name each stands for.
    """
    lines = [name for name in there if given.get(name) == wanted]
    if lines or wanted in there:
        return lines[0] if lines else wanted
    alike = [name for name in there if name not in given and plain(name) == plain(wanted)]
    return alike[0] if len(alike) == 1 and plain(wanted) else None


def find_names(wanted: Sequence[str], there: Sequence[str], given: Mapping[str, str], where: str) -> list[str]:
    """Which names of a file stand for those of a model, in the model's order.

    Raises:
        InputError: naming those that are not there.
    """
    matches = [find_name(name, there, given) for name in wanted]
    absent = [name for name, other in zip(wanted, matches, strict=True) if other is None]
    if absent:
        shown = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
        raise InputError(
            f"the columns {', '.join(wanted[:20])}{' ...' if len(wanted) > 20 else ''}", shown, where,
            f"Map the column for {absent[0]!r}: --map 'COLUMN={absent[0]}'",
        )  # fmt: skip
    return [name for name in matches if name is not None]


def check_names(given: Mapping[str, str], there: Iterable[str], wanted: Iterable[str]) -> None:
    """Refuse names that a person said and that neither the data nor the model has.

    Args:
        given: names of the data, and the name of the model that each stands for; '' leaves a label out.
        there: columns and labels of the data.
        wanted: columns and labels of the model.

    Raises:
        UnknownNameError: naming the first such name, with the known ones.
    """
    known, own = set(there) - {""}, set(wanted) - {""}
    for name, other in given.items():
        if name not in known:
            raise UnknownNameError("column or label of the data", name, known, f"--map {name}={other}")
        if other and other not in own:
            raise UnknownNameError("column or label of the model", other, own, f"--map {name}={other}")


def find_labels(wanted: Sequence[str], there: Iterable[str], given: Mapping[str, str], where: str) -> dict[str, str]:
    """Return what each label of a file is called in the model; a label that is mapped to nothing is left out.

    Raises:
        InputError: a label that the model does not know.
    """
    there = [label for label in there if label]
    by_plain = {plain(label): label for label in reversed(wanted)}
    by_number = {number: label for label in reversed(wanted) if (number := _number(label)) is not None}
    no, yes = _no_and_yes(wanted)
    names = {}
    for label in there:
        low = label.strip().casefold()
        number = _number(label)
        if label in given:
            names[label] = given[label]
        elif label in wanted:
            names[label] = label
        elif number is not None and number in by_number:
            names[label] = by_number[number]
        elif plain(label) and plain(label) in by_plain:
            names[label] = by_plain[plain(label)]
        elif no and (low in _NO or number == 0):
            names[label] = no
        elif yes and (low in _YES or number == 1):
            names[label] = yes
    unknown = [label for label in there if label not in names or names[label] not in ("", *wanted)]
    if unknown:
        known = ", ".join(wanted[:20]) + (" ..." if len(wanted) > 20 else "")
        shown = ", ".join(repr(label) for label in unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        raise InputError(
            f"labels that the model knows ({known})", shown, where,
            f"Map it: --map '{unknown[0]}=LABEL', or exclude its samples: --map '{unknown[0]}='",
        )  # fmt: skip
    return names


def renamed(labels: Labels, names: Mapping[str, str]) -> Labels:
    """Return labels by their other names, '' where they are left out."""
    kinds, places = np.unique(labels, return_inverse=True)
    return np.array([names.get(str(kind), "") for kind in kinds], dtype=np.str_)[places]


def conversion(column: Column, other: str, where: str) -> tuple[float, float]:
    """Factor and offset that turn values of a file's column into the unit of the model's; (1, 0) where alike.

    Args:
        column: of the model.
        other: name of the file's column, with its unit in brackets at the end, or without.
        where: the file.

    Raises:
        InputError: a unit of another quantity.
    """
    mine, theirs = (spelled(unit) for unit in (column.unit or unit_in(column.name), unit_in(other)))
    if not mine or not theirs or mine == theirs:
        return 1.0, 0.0
    to, of = _UNITS.get(mine), _UNITS.get(theirs)
    if to is None or of is None or to[0] != of[0]:
        raise InputError(f"{column.name} in {mine}", f"{other!r}", where, "Convert the column, or rename it")
    return of[1] / to[1], (of[2] - to[2]) / to[1]


def _number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _no_and_yes(labels: Sequence[str]) -> tuple[str, str]:
    """Of two classes the one that says no and the one that says yes; empty where they say something else."""
    low = {label.casefold().removesuffix(".0"): label for label in labels}
    no, yes = [low[name] for name in low if name in _NO], [low[name] for name in low if name in _YES]
    return (no[0], yes[0]) if len(labels) == 2 and len(no) == len(yes) == 1 else ("", "")
