"""Which columns of text a model may read: few texts that repeat, and no names of things."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from edgewright.core.csv.categories import MARK, made_columns
from edgewright.core.csv.rows import read_csv
from edgewright.core.formatting import some_of
from edgewright.core.units import MISSING_LABELS, MISSING_NUMBERS, MISSING_TEXTS, is_date, is_number
from edgewright.data.files import read_opening
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError

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
    if MARK in name:
        return f"{shown}: its name has a {MARK!r}"
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
