"""What each column is: target, person, session, time, a reading, or nothing that a model may see, as what leaks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from edgewright.core.clocks.reader import ORDERS, day_order, needs_order, parts_of
from edgewright.core.clocks.units import (
    SCALE,
    WORDS,
    numbers_and_unit,
    unit_in_name,
    unit_of_numbers,
    unit_spelled,
    without_unit,
)
from edgewright.core.errors import CsvNumberError, UnknownNameError
from edgewright.core.formatting import is_number
from edgewright.core.records.data import Column, Labels
from edgewright.data.clock import (
    OTHER,
    SIGNAL,
    TIME,
    UnitChoice,
    choose_unit,
    find_time_column,
    is_clock,
    kind_of,
    kinds_of,
    sensors_of,
)
from edgewright.data.matching import (
    IDENTIFIER,
    MOST_CLASSES,
    REPEATS,
    few_texts,
    is_text,
    lower_name,
    no_category,
    values_of,
)
from edgewright.data.series import ColumnSeries, find_series, numbered
from edgewright.data.targets import as_text, labelled, read_target, task_of

NONE = "none"
NAMED, NAMED_IGNORED = "as you named it", "as you asked"
"""Reasons of what a person says."""
# Names that say what is to be predicted, wherever the column stands; the first that a column has is taken.
_TARGETS = (
    "label", "labels", "target", "targets", "class", "classes", "outcome", "response", "diagnosis", "activity",
    "gesture", "fault", "failure", "anomaly", "occupancy", "occupied", "rul", "ttf", "survived", "species",
    "klasse", "etikett", "ziel", "aktivitat", "ausfall", "storung", "fehler",
    "etiqueta", "clase", "actividad", "fallo", "averia", "etiquette", "classe", "activite", "panne", "defaut",
    "etichetta", "attivita", "guasto", "difetto",
)  # fmt: skip
# Names that inputs have as well: they say it of the first or last column that may be a target.
_ENDS = (
    "digit", "word", "event", "state", "status", "condition", "quality", "category", "output", "result", "type",
    "grade", "y", "alarm", "alarma", "alarme", "allarme", "zustand", "estado", "etat", "stato",
    "consumption", "demand", "yield", "price", "cost", "strength", "verbrauch", "ertrag", "preis", "consumo", "precio",
    "consommation", "rendement", "prix", "prezzo",
)  # fmt: skip
# Names of texts and of few numbers that are inputs more often than targets.
_INPUTS = {
    "sex", "gender", "geschlecht", "sexo", "sexe", "sesso", "weekday", "day", "month", "season", "hour", "shift",
    "site", "country", "region", "city", "location", "position", "material", "color", "colour", "brand", "model",
    "product", "smoker", "weather", "version", "mode", "side", "axis", "sensor",
}  # fmt: skip
# Words in the name of what is still to come, and of an earlier value.
_AHEAD = {"remaining", "next", "future", "tomorrow"}
_PAST = {"before", "previous", "prev", "yesterday", "lag", "ago", "past", "earlier"}
_NAMED_WHY = "a usual name for what is to be predicted; {:,} values"
UNNAMED = "no name says what is to be predicted"
"""How the reason of a target begins that another column may well be."""
_NUMBERED_THING = re.compile(r"([^\W\d_]+)[-_ .#]*\d+")
# Rows that say whether columns are a series.
_SERIES_ROWS = 1_000
# So many columns whose names differ in their numbers alone are numbered readings or features.
_NUMBERED = 3
GROUPS = (
    "group", "person", "subject", "user", "speaker", "participant", "patient", "volunteer", "driver", "worker",
    "animal", "machine", "unit", "engine", "device", "vehicle", "motor", "pump", "node", "asset",
    "room", "proband", "probandin", "teilnehmer", "versuchsperson", "maschine", "gerat", "anlage",
    "sujeto", "paciente", "maquina", "sujet", "personne", "soggetto", "persona", "paziente", "macchina",
)  # fmt: skip
SESSIONS = (
    "session", "recording", "stroke", "trial", "take", "file", "filename", "experiment", "sequence", "series",
    "episode", "run", "case", "aufnahme", "sitzung", "versuch", "grabacion", "sesion", "ensayo", "enregistrement",
    "essai", "registrazione", "sessione", "prova",
)  # fmt: skip
RECORDING_WORDS = frozenset({*SESSIONS, "exp", "sess", "rec"})
"""Words before the number of a recording, such as 'rec' of 'rec07'."""
_CLOCKS = ("t", "tick", "ticks", "elapsed", "uptime", "clock", "time_of_day")
# Share of steps of one between neighbours in a column that counts the rows.
_COUNTING = 0.4
# Fewer rows may rise by chance.
_FEWEST_COUNTED = 20
# Names of row numbers, those of rows that were mixed or drawn from a larger table, too.
_NUMBERS_ROWS = re.compile(
    r"unnamed: \d+|index|idx|#|(row|line)([ _]?(index|number|num|nr|no)?)|zeile|fila|ligne|riga|lfd[. _]*nr\.?"
)
# End of a name whose numbers name things: their order says nothing. Few of them may be kinds.
_NAMES_THINGS = re.compile(r"(^|_)(id|uid|uuid|guid)$")


@dataclass(frozen=True)
class Roles:
    """What columns are; empty where there is none.

    Attributes:
        target, group, session, time: names of columns.
        readings: columns of numbers that a model sees.
        categories: columns of text that a model sees, with all their texts.
        ignored: why a column is left out, by its name.
        series: readings that are values one after the other; None where each is a reading of its own.
        time_unit: of the numbers in the time column, where its name and magnitude do not say it.
        unclear: units that the time column may have, where several fit.
        why: reason of each of the first four, by its key.
    """

    target: str = ""
    group: str = ""
    session: str = ""
    time: str = ""
    readings: tuple[str, ...] = ()
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    series: ColumnSeries | None = None
    time_unit: str = ""
    unclear: UnitChoice | None = None
    why: dict[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns that are read as numbers where all their cells are."""
        return (*self.readings, self.target, self.time)

    def table(self) -> dict[str, object]:
        """Return the keys of `[data]`."""
        keys = ("target", "group", "session", "time", "time_unit")
        named = {key: getattr(self, key) for key in keys if getattr(self, key)}
        texts = {"categories": {name: list(known) for name, known in self.categories.items()}}
        return {
            **named,
            **({"ignore": list(self.ignored)} if self.ignored else {}),
            **(texts if self.categories else {}),
        }


def assign_roles(
    columns: Mapping[str, Labels],
    given: Mapping[str, str],
    ignore: Sequence[str] = (),
    texts: Mapping[str, Collection[str]] | None = None,
    few: bool = False,
    units: Mapping[str, str] | None = None,
) -> Roles:
    """Decide what columns are.

    Args:
        columns: cells by column.
        given: `target`, `group`, `session` and `time` as a person named them, 'none' for a part that there is not; and
            `time_unit`.
        ignore: columns that a person leaves out.
        texts: all different texts of columns of text, where `columns` has some of the rows only.
        few: only a column of few values is taken as target where no name says it, because names of files may be labels.
        units: by column, as a line of units below the header states them.

    Raises:
        UnknownNameError: a named column is not there.
        InputError: each cell of a column holds a list of numbers.
    """
    columns, clock = _clock_of_two(columns, given, ignore)
    for name in (*(v for key, v in given.items() if v and v != NONE and key != "time_unit"), *ignore):
        if name not in columns:
            raise UnknownNameError("column", name, columns)
    refuse_lists({name: cells for name, cells in columns.items() if name not in {*given.values(), *ignore}})
    roles = Roles(ignored=dict.fromkeys(ignore, NAMED_IGNORED))
    roles = replace(roles, series=_series({n: c for n, c in columns.items() if n not in {*given.values(), *ignore}}))
    for key, find in (("target", partial(_target, few=few)), ("group", _group), ("session", _session), ("time", _time)):
        name = given.get(key, "")
        free = {column: cells for column, cells in columns.items() if column not in {*_used(roles), *_values(roles)}}
        name, why = (name, NAMED) if name else find(free)
        if key == "time" and clock and why != NAMED:
            name, why = clock, "the day of a row in one column and the time of day in the other"
        if name and name != NONE:
            roles = replace(roles, **{key: name}, why={**roles.why, key: why})  # type: ignore[arg-type]
    if roles.time:
        stated = unit_spelled((units or {}).get(roles.time, ""))
        roles = _with_unit(roles, columns, given.get("time_unit", ""), stated)
    return _with_readings(roles, columns, texts or {})


# Cells that are looked at for lists, and numbers that make a list, which is no place and no date then.
_LIST_CELLS, _FEWEST_LISTED = 20, 8
_LIST_MARKS = re.compile(r"[\s,;|]+")


def refuse_lists(columns: Mapping[str, Labels]) -> None:
    """Refuse a column whose cells hold lists of numbers, such as the waveform "0.1,0.2,...".

    Left out as a text, it would leave a model to learn from whatever else is in the file.

    Raises:
        InputError: naming the column and the length of its lists.
    """
    for name, cells in columns.items():
        texts = [text for cell in cells[: 5 * _LIST_CELLS].tolist() if (text := cell.strip())][:_LIST_CELLS]
        lists = [_LIST_MARKS.split(text.strip("[](){} \t")) for text in texts]
        if not lists or not all(len(parts) >= _FEWEST_LISTED and all(map(is_number, parts)) for parts in lists):
            continue
        length = f"{len(lists[0])} numbers" if len({*map(len, lists)}) == 1 else "numbers"
        raise CsvNumberError(
            "one number in each cell", f"a list of {length}", f"column {name}",
            f"Write a column for each number ({name}_0, {name}_1, ...), or leave it out: --ignore {name}",
        )  # fmt: skip


def _clock_of_two(
    columns: Mapping[str, Labels], given: Mapping[str, str], ignore: Collection[str]
) -> tuple[Mapping[str, Labels], str]:
    """Return the columns, and the clock of two of them, which are none of their own then; empty for none.

    It is none where a person says another time or what one of the two is, or where a third column is the time.
    """
    name = next((name for name in columns if parts_of(name, [column for column in columns if column != name])), "")
    if not name:
        return columns, ""
    plain = {column: cells for column, cells in columns.items() if column != name}
    halves = parts_of(name, plain)
    if (time := given.get("time", "")) != name and (
        time
        or {*given.values(), *ignore} & {*halves}
        or find_time_column({column: cells.tolist() for column, cells in plain.items()}) not in halves
    ):
        return plain, ""
    return {column: cells for column, cells in columns.items() if column not in halves}, name


def _used(roles: Roles) -> set[str]:
    return {roles.target, roles.group, roles.session, roles.time, *roles.ignored}


# Numbered columns that are fewer of all columns, labels and names among them, are looked at as others are.
_MOST_COLUMNS = 0.5


def _series(columns: Mapping[str, Labels]) -> ColumnSeries | None:
    """Return the columns that are values one after the other: they are inputs, whatever a few of them look like."""
    families = numbered(list(columns), _MOST_COLUMNS)
    names = [name for family in families.values() for name in family.values()]
    some = {name: columns[name][:_SERIES_ROWS] for name in names}
    if not names or any(is_text(cells) for cells in some.values()):
        return None
    return find_series(names, np.stack([_numbers(cells) for cells in some.values()], axis=1))


def _numbers(cells: Labels) -> Any:  # noqa: ANN401 - float32
    numbers = read_target(cells)
    return np.asarray(numbers, np.float32) if numbers.dtype.kind == "f" else np.full(len(cells), np.nan, np.float32)


def _values(roles: Roles) -> tuple[str, ...]:
    return roles.series.columns if roles.series is not None else ()


def plain(name: str) -> str:
    """Return a column's name in lower case without unit and ending: 'Subject ID' gives 'subject'."""
    return IDENTIFIER.sub("", lower_name(re.sub(r"[\[(].*", "", name)))


def _target(columns: Mapping[str, Labels], few: bool) -> tuple[str, str]:
    """Return the column to predict, and why: one whose name says so, or else the last one that may be it.

    Sensors, times, counts, numbered columns, identifiers and earlier values are inputs by their names. `few` takes
    classes only where no name says it.
    """
    name = find_target(columns)
    if name and not (few and len(values_of(columns[name])) < 2):
        return name, _NAMED_WHY.format(max(1, len(values_of(columns[name]))))
    families = Counter(_family(name) for name in columns)
    free = [name for name, kind in _kinds([name for name in columns if _is_free(name, families)]) if kind == OTHER]
    last = _first(reversed(free), columns)
    for name in (last, _first(free, columns)):
        if any(_is_named(name, word) for word in _ENDS):
            return name, _NAMED_WHY.format(len(values_of(columns[name])))
    if name := _only_classes(free, columns):
        return name, f"{UNNAMED}, so the only column of few values; {len(values_of(columns[name])):,} values"
    why = "the last column that reads as no time, number, person, numbered column or sensor"
    if few:
        last = _first((name for name in reversed(free) if _is_few(columns[name])), columns)
    return (last, f"{UNNAMED}, so {why}; {len(values_of(columns[last])):,} values") if last else ("", "")


def find_target(columns: Mapping[str, Labels]) -> str:
    """Return the column whose name says that it is to be predicted, one of several values first; empty without."""
    named = [name for word in _TARGETS for name in columns if _is_named(name, word)]
    named += [name for name in columns if _is_ahead(name)]
    return next((name for name in named if len(values_of(columns[name])) > 1), named[0] if named else "")


def _only_classes(free: Sequence[str], columns: Mapping[str, Labels]) -> str:
    """Return the only column of few texts, or the first or last one where it alone has few numbers; empty without.

    A text beside columns of its values, such as `kind` and `kind_A`, is an input.
    """
    may = [name for name in free if _may_be_target(name, columns) and not _INPUTS & set(plain(name).split("_"))]
    few = [name for name in may if _is_few(columns[name])]
    texts = [name for name in few if is_text(columns[name])]
    texts = [name for name in texts if not any(other.startswith(f"{name}_") for other in columns)]
    if texts:
        return texts[0] if len(texts) == 1 else ""
    ends = [name for name in (*free[-1:], *free[:1]) if name in few]
    return ends[0] if ends and len(set(few)) == 1 else ""


def _first(names: Iterable[str], columns: Mapping[str, Labels]) -> str:
    return next((name for name in names if _may_be_target(name, columns)), "")


def _is_named(name: str, word: str) -> bool:
    return plain(name) == word or plain(name).endswith("_" + word)


def _is_ahead(name: str) -> bool:
    """Return whether a name says what is still to come: 'next_day', or 'cycles_left', which 'hand_left' is not."""
    words = set(plain(name).split("_"))
    return bool(_AHEAD & words) or ("left" in words and kind_of(Column(name=name)) == TIME)


def _is_few(cells: Labels) -> bool:
    return len(values_of(cells)) <= min(MOST_CLASSES, len(cells) // REPEATS)


def _family(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _is_free(name: str, families: Mapping[str, int]) -> bool:
    """Return whether a name is that of no person, recording, time, identifier, earlier value or numbered column.

    Args:
        name: name of the column.
        families: number of columns by name, where '#' stands for a number.
    """
    word, family = plain(name), _family(name)
    if (
        word in ("", *GROUPS, *SESSIONS, *_CLOCKS, "seconds", "millis")
        or _PAST & set(word.split("_"))
        or IDENTIFIER.search(lower_name(name))
    ):
        return False
    return family == name or families[family] < _NUMBERED


def _may_be_target(name: str, columns: Mapping[str, Labels]) -> bool:
    """Return whether cells are classes or amounts: no times, row numbers, long texts, or one value."""
    cells = columns[name]
    if find_time_column({name: cells.tolist()}) or no_reading(name, columns):
        return False
    return not is_text(cells) or _is_few(cells)


def _kinds(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return what each column measures, by name; the axes of a sensor are one sensor's."""
    columns = tuple(Column(name=name) for name in names)
    axes = {number for numbers in sensors_of(columns).values() if len(numbers) > 1 for number in numbers}
    kinds = kinds_of(columns)
    return [(name, SIGNAL if number in axes else kinds[number]) for number, name in enumerate(names)]


def _group(columns: Mapping[str, Labels]) -> tuple[str, str]:
    name, why = _named(columns, GROUPS, "a usual name for a person or machine")
    if name:
        return name, why
    for name, cells in columns.items():
        if plain(name) in SESSIONS:  # the name of the column takes precedence over its texts
            continue
        known = values_of(cells) if is_text(cells) else []
        head = numbered_head(known)
        many = len(known) > MOST_CLASSES or head in GROUPS
        if head and many and head not in RECORDING_WORDS and len(known) <= len(cells) // REPEATS:
            return name, f"its texts number things: {known[0]} to {known[-1]}"
    return "", ""


def numbered_head(texts: Sequence[str]) -> str:
    """Return the word before the number that all texts share, such as 'oven' of 'oven-07'; empty where there is none.

    Args:
        texts: different ones.
    """
    matches = [_NUMBERED_THING.fullmatch(text.strip().lower()) for text in texts]
    heads = {match[1] if match else "" for match in matches}
    return heads.pop() if len(heads) == 1 and len(texts) > 1 else ""


def _session(columns: Mapping[str, Labels]) -> tuple[str, str]:
    return _named(columns, SESSIONS, "a usual name for a recording")


def _named(columns: Mapping[str, Labels], words: Sequence[str], why: str) -> tuple[str, str]:
    """Return the first column with one of the names that has several values, each in several rows."""
    for word in words:
        for name, cells in columns.items():
            if plain(name) == word and 1 < len(values_of(cells)) <= len(cells) // 2:
                return name, why
    return "", ""


def _time(columns: Mapping[str, Labels]) -> tuple[str, str]:
    rising = [name for name, cells in columns.items() if without_unit(name) in ("", *_CLOCKS) and _rises(cells)]
    rising = [name for name in rising if without_unit(name) or unit_in_name(name)]
    name = find_time_column({column: cells.tolist() for column, cells in columns.items()}) or next(iter(rising), "")
    if not name:
        return "", ""
    # A row without a time is an error when the rows are read: the column is no reading for it.
    return (name, "by its name and values") if is_clock(name, columns[name].tolist()) else ("", "")


def _with_unit(roles: Roles, columns: Mapping[str, Labels], unit: str, stated: str) -> Roles:
    """Return the roles with the unit of a clock of numbers, where neither its name nor an epoch says it.

    Args:
        roles: with a time.
        columns: cells by column.
        unit: as a person names it.
        stated: by a line of units.
    """
    if unit and unit not in (*SCALE, *ORDERS):
        raise UnknownNameError("unit of time", unit, (*SCALE, *ORDERS), "--time-unit")
    cells = columns[roles.time].tolist()
    if (counted := numbers_and_unit(cells)) is None:
        why = f"{roles.why['time']}: dates or times of a day"
        if not any(map(needs_order, cells)):
            return replace(roles, why={**roles.why, "time": why})
        order = unit if unit in ORDERS else day_order(cells)
        # The first rows of a stream, and a file of few days, do not show which is the day.
        why = f"{why}, {ORDERS[order]}" if order else why
        unclear = None if order else UnitChoice("dmy", ("mdy",))
        return replace(roles, time_unit=order, unclear=unclear, why={**roles.why, "time": why})
    measured = [name for name, column in columns.items() if name not in _used(roles) and not is_text(column)]
    numbers, behind = counted
    choice = UnitChoice(unit) if unit in SCALE else choose_unit(numbers, roles.time, measured, behind or stated)
    why = f"{roles.why['time']}: numbers of {WORDS[choice.unit]}"
    if behind or stated:
        why = f"{why}, as {'its cells say' if behind else 'the line of units says'}"
    elif not unit and choice.unit != unit_of_numbers(numbers, roles.time):
        why = f"{roles.why['time']}: it rises by {choice.step:g}: {choice.pace(choice.unit)}"
    # The first rows of a stream do not show days.
    known = (
        choice.unit if unit or choice.unit in ("d", "y") or choice.unit != unit_of_numbers(numbers, roles.time) else ""
    )
    return replace(roles, time_unit=known, unclear=choice if choice.others else None, why={**roles.why, "time": why})


def _rises(cells: Labels) -> bool:
    if is_text(cells):
        return False
    numbers = read_target(cells)
    return bool(numbers.dtype.kind == "f" and (np.diff(numbers) >= 0).mean() > 0.9)


def _with_readings(roles: Roles, columns: Mapping[str, Labels], texts: Mapping[str, Collection[str]]) -> Roles:
    """Sort the remaining columns into readings, categories and those that are left out."""
    free = {name: cells for name, cells in columns.items() if name not in _used(roles)}
    ignored = dict(roles.ignored)
    units = columns.get(roles.group or roles.session)
    categories: dict[str, tuple[str, ...]] = {}
    for name, cells in free.items():
        if name in _values(roles) and values_of(cells):
            continue
        if why := no_reading(name, columns):
            ignored[name] = why
        elif is_text(cells):
            categories[name] = tuple(sorted(texts[name] if name in texts else few_texts(cells)))
            if why := no_category(name, cells, categories[name], units):
                ignored[name] = why
    if roles.target and task_of(_known(columns[roles.target])) == "classification":
        flags = {name: cells for name, cells in free.items() if name not in {*ignored, *_values(roles)}}
        ignored |= flags_of_target(flags, columns[roles.target], roles.target)
        texts_left = {name: cells for name, cells in flags.items() if name in categories and name not in ignored}
        ignored |= texts_of_target(texts_left, columns[roles.target], roles.target)
    readings = tuple(name for name in free if name not in ignored and name not in categories)
    categories = {name: known for name, known in categories.items() if name not in ignored}
    return replace(roles, readings=readings, categories=categories, ignored=ignored)


def _known(cells: Labels) -> Any:  # noqa: ANN401 - text or float64
    target = read_target(cells)
    return target[labelled(target)]


def no_reading(name: str, columns: Mapping[str, Labels]) -> str:
    """Return why a column is no reading of a sensor; empty for one that may be."""
    cells = columns[name]
    known = values_of(cells)
    if not known:
        return "empty"
    if len(known) == 1:
        return f"always {known[0]}"
    if is_text(cells):
        if len(known) > 0.9 * len(cells):
            return "a different text in every row"
        return ""
    if _is_numbering(cells):
        if _counts_rows(cells):
            return "counts the rows"
        if IDENTIFIER.search(lower_name(name)) or _NUMBERS_ROWS.fullmatch(name.strip().lower()):
            return "a different number in every row"
    lower = lower_name(name)
    if len(known) > MOST_CLASSES and _NAMES_THINGS.search(lower) and _are_whole(cells):
        # Currents of a motor in the turning frame are called id and iq.
        return "" if f"{lower[:-1]}q" in map(lower_name, columns) else "an identifier, by its name"
    return ""


def _is_numbering(cells: Labels) -> bool:
    """Return whether cells are whole numbers, a different one in every row."""
    if len(cells) < _FEWEST_COUNTED or is_text(cells) or len(values_of(cells)) < len(cells):
        return False
    return _are_whole(cells)


def _are_whole(cells: Labels) -> bool:
    """Return whether all cells that are not missing are whole numbers."""
    numbers = _known(cells)
    return numbers.dtype.kind == "f" and bool(np.isfinite(numbers).all() and (numbers == np.round(numbers)).all())


def _counts_rows(cells: Labels) -> bool:
    """Return whether cells are whole numbers that always rise, mostly by one or two."""
    steps = np.diff(read_target(cells)) if _is_numbering(cells) else np.zeros(1)
    return bool((steps > 0).all() and (steps <= 2).mean() >= _COUNTING)


# Where a column of text tells the class, it leaves over so few of the wrong answers of who always says the usual one.
_LEFT_OVER = 0.1
# A flag that is set in fewer rows shows nothing, and one flag alone may be a sensor's.
_FEWEST_ROWS, _FEWEST_FLAGS = 5, 2


def flags_of_target(columns: Mapping[str, Labels], target: Labels, name: str) -> dict[str, str]:
    """Find columns of two values, one of which occurs with one rare class only.

    A flag between such flags is one of them, even where it does not tell the class (a cause that is not always noted).

    Args:
        columns: cells by column, in the order of the file.
        target: cells of the target.
        name: name of the target.

    Returns:
        Why a column is left out, by its name.
    """
    y = as_text(read_target(target))
    classes, counts = np.unique(y, return_counts=True)
    usual = str(classes[counts.argmax()])
    flags = [column for column, cells in columns.items() if len(np.unique(cells)) == 2]
    telling = [column for column in flags if _gives_away(columns[column], y, usual)]
    if len(telling) < _FEWEST_FLAGS and not any(_is_all(columns[column], y, usual) for column in telling):
        return {}
    reasons = dict.fromkeys(telling, f"a flag that is never set without {name}: it gives the answer away")
    order = list(columns)
    neighbours = {
        order[p + s] for p, column in enumerate(order) if column in telling for s in (-1, 1) if 0 <= p + s < len(order)
    }
    reasons |= {
        column: f"a flag beside flags that give {name} away"
        for column in flags
        if column in neighbours and column not in reasons
    }
    return reasons


def texts_of_target(columns: Mapping[str, Labels], target: Labels, name: str) -> dict[str, str]:
    """Find columns of text that are the target in other words: almost every text stands for one class.

    Args:
        columns: cells by column.
        target: cells of the target.
        name: name of the target.

    Returns:
        Why a column is left out, by its name.
    """
    y = as_text(read_target(target))
    known = y != ""
    _, codes = np.unique(y[known], return_inverse=True)
    if not len(codes):
        return {}
    usual = len(codes) - int(np.bincount(codes).max())
    reasons = {}
    for column, cells in columns.items():
        _, texts = np.unique(cells[known], return_inverse=True)
        table = np.zeros((int(texts.max()) + 1, int(codes.max()) + 1), np.int64)
        np.add.at(table, (texts, codes), 1)
        if len(codes) - int(table.max(axis=1).sum()) <= _LEFT_OVER * usual:
            reasons[column] = f"its texts say {name} in other words: it gives the answer away"
    return reasons


def _gives_away(cells: Labels, y: Labels, usual: str) -> bool:
    """Return whether the rarer value occurs in several rows, all of one class that is not the usual one."""
    values, counts = np.unique(cells, return_counts=True)
    rows = cells == values[counts.argmin()]
    labels = np.unique(y[rows])
    return int(rows.sum()) >= _FEWEST_ROWS and len(labels) == 1 and str(labels[0]) not in ("", usual)


def _is_all(cells: Labels, y: Labels, usual: str) -> bool:
    """Return whether the flag is the target itself: set in every row that is not of the usual class."""
    values, counts = np.unique(cells, return_counts=True)
    return bool(np.array_equal(cells == values[counts.argmin()], y != usual))
