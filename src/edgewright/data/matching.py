"""Names of a file against names of a model: columns, labels and units that a loader renamed still find each other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from edgewright.core.csv.header import EQUALS, made_columns
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import ColumnMissingError, InputError, LabelUnknownError, UnitDiffersError, UnknownNameError
from edgewright.core.formatting import (
    MISSING_LABELS,
    MISSING_NUMBERS,
    MISSING_TEXTS,
    is_date,
    is_number,
    some_of,
    spelled,
    unit_in,
)
from edgewright.core.records.data import Column, Labels
from edgewright.data.contract import read_opening

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
        raise ColumnMissingError(
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
        raise LabelUnknownError(
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
        raise UnitDiffersError(f"{column.name} in {mine}", f"{other!r}", where, "Convert the column, or rename it")
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


# Values of a column that may be classes, and texts of a category; each stands in three rows at least, on average.
MOST_CLASSES, REPEATS = 20, 3
# End of a name that numbers or names things.
IDENTIFIER = re.compile(r"_(id|nr|no|num|number|name|index)$")


def lower_name(name: str) -> str:
    """Return a name in lower case with '_' between its words and no accents: 'Subject ID' gives 'subject_id'."""
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", plain)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def values_of(cells: Labels) -> list[str]:
    """Return the different values of a column, without those that are missing."""
    return [str(v) for v in np.unique(np.char.strip(cells)) if str(v).lower() not in MISSING_LABELS]


def is_text(cells: Labels) -> bool:
    """Return whether most cells that hold something are no numbers."""
    with suppress(ValueError):
        cells.astype(np.float64)
        # Far quicker than a look at each value; NumPy reads 1_000 as Python does (`is_number`).
        if "_" not in "".join(cells.tolist()):
            return False
    known = values_of(cells)
    # Spellings of a missing number count only where nothing else is there: `none` and `unknown` may be classes then.
    known = [value for value in known if value.lower() not in MISSING_NUMBERS] or known
    return sum(not is_number(v) for v in known) > len(known) // 2


def few_texts(cells: Labels) -> set[str]:
    """Return the different texts of a column, without cells that are missing where a column is read as categories."""
    return {str(text) for text in np.unique(np.char.strip(cells)) if str(text).lower() not in MISSING_TEXTS}


def no_category(name: str, cells: Labels, known: Sequence[str], units: Labels | None) -> str:
    """Return why a column of text is no category; empty for one that may be.

    Args:
        name: name of the column.
        cells: shape (rows,).
        known: all its texts.
        units: people, machines or recordings of the rows; None where there are none.
    """
    shown = f"text ({some_of(list(known), 3)})"
    if len(known) > MOST_CLASSES:
        return f"{shown}: more than {MOST_CLASSES} different texts"
    if len(cells) < REPEATS * len(known):
        return f"{shown}: its texts hardly repeat"
    if IDENTIFIER.search(lower_name(name)):
        return f"{shown}: an identifier, by its name"
    if all(map(is_date, known)):
        return f"{shown}: dates or times"
    if EQUALS in name:
        return f"{shown}: its name has a {EQUALS!r}"
    pairs = {} if units is None else {text: np.unique(units[cells == text]) for text in np.unique(cells)}
    alone = [
        str(text) for text, seen in pairs.items() if len(seen) < 2 and str(text).strip().lower() not in MISSING_TEXTS
    ]
    if alone:
        return f"{shown}: {alone[0]} is of one person, machine or recording only, so others cannot show what it means"
    return ""


def find_categories(table: dict[str, object]) -> dict[str, list[str]]:
    """Find the columns of text of a CSV file that a model may read, with all their texts.

    Args:
        table: of the data, as `load_data` takes it; columns that it names already are left out.

    Returns:
        Texts by column; none for other files.
    """
    path = Path(str(table.get("path", "")))
    if table.get("kind") != "csv" or not path.is_file():
        return {}
    ignored = table.get("ignore")
    used = {table.get(key) for key in ("target", "group", "session", "time")}
    used |= set(ignored) if isinstance(ignored, list | tuple) else set()
    try:
        opening = {name: np.array(cells, np.str_) for name, cells in read_opening(path).items()}
        units = opening.get(str(table.get("group") or table.get("session") or ""))
        likely = {
            name: cells for name, cells in opening.items()
            if name not in used and is_text(cells) and not no_category(name, cells, sorted(few_texts(cells)), units)
        }  # fmt: skip
        whole = read_csv(path, name=path.name, text_columns=likely, only_columns=likely).text if likely else {}
    except InputError:
        return {}
    by_column = {name: sorted(few_texts(cells)) for name, cells in whole.items()}
    return {name: texts for name, texts in by_column.items() if 1 < len(texts) <= MOST_CLASSES}


def leave_out(table: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    """Return the keys `ignore` and `categories` of a table [data] without some columns that a model sees.

    Args:
        table: of the data.
        names: columns; one made of a column of text leaves out all that are made of it.
    """
    ignored, texts = table.get("ignore"), table.get("categories")
    kept = dict(texts) if isinstance(texts, dict) else {}
    sources = made_columns(kept)
    columns = list(dict.fromkeys(sources.get(name, name) for name in names))
    keys: dict[str, object] = {"ignore": [*(ignored if isinstance(ignored, list | tuple) else ()), *columns]}
    return {**keys, **({"categories": {c: t for c, t in kept.items() if c not in columns}} if kept else {})}
