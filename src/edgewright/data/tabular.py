"""What sources of tables share: which column plays which part, and rows becoming a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.reader import ORDERS, parts_of
from edgewright.core.clocks.units import WORDS, unit_spelled
from edgewright.core.csv.header import EQUALS, column_name, made_columns, one_hot
from edgewright.core.errors import (
    CategoryError,
    ColumnsUnusableError,
    ConfigError,
    CsvNumberError,
    LabelsMissingError,
    TimeFormatError,
    UnknownNameError,
)
from edgewright.core.formatting import MISSING_TEXTS, refuse_other_unit, unit_in
from edgewright.core.input.samples import without_sentinels
from edgewright.core.records.data import Column, DataSet, Floats, Labels, Numerals, Recording, TimeUnit
from edgewright.data.clock import Clock, read_clock
from edgewright.data.contract import SchemaConfig
from edgewright.data.labels import fill_down
from edgewright.data.resampling import one_rate
from edgewright.data.targets import as_text, labelled, read_target


class TableConfig(SchemaConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of a table of rows.

    Attributes:
        target: column that is to be predicted; empty for unlabelled rows.
        group: column with the person or machine of each row; a split keeps its rows together.
        session: column with the session of each row; a recording is one session when left out.
        time: column with the time of each row: ISO text, epoch or counter; made relative to the first row.
            `Date + Time` stands for two columns, with the day and with the time of day.
        time_unit: unit of numbers in the time column: 's', 'ms', 'us', 'ns', 'min', 'h', 'y', or 'd' for days of a
            spreadsheet; 'auto' goes by a line of units, what stands behind the numbers, name and magnitude. Of dates
            with slashes 'dmy' or 'mdy', where no number above 12 tells the day.
        columns: columns that are read as numbers, in this order; every column without another part when left out.
        ignore: columns that are left out.
        categories: text columns that are read as numbers, with all their texts, such as {Type = ["H", "L", "M"]}: a
            column Type=H is 1 in the rows with the text H and 0 elsewhere; an empty cell is missing in all of them.
        missing_values: numbers that mean missing, by column, such as {temp = [-9999]}; in predictions, too.
        fill_labels: an empty label is that of the last labelled row above it, of the same person and session.
        skip_bad_rows: leave out rows that cannot be read, such as a line of another length; more than 5 % are an error.
        text_labels: labels of the target that are text as they stand, such as ["01", "NA"]; read as a number or as
            missing otherwise.
    """

    target: str = ""
    group: str = ""
    session: str = ""
    time: str = ""
    time_unit: TimeUnit = "auto"
    columns: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    categories: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    missing_values: dict[str, tuple[float, ...]] = msgspec.field(default_factory=dict)
    fill_labels: bool = False
    skip_bad_rows: bool = False
    text_labels: tuple[str, ...] = ()


def _numbered(row: int) -> str:
    return f"row {row + 1}"


@dataclass(frozen=True)
class Table:
    """Rows as a file gave them.

    Attributes:
        name: name of the recording.
        names: columns of `values`.
        values: shape (rows, columns), float32, NaN where missing.
        text: the other columns by name, each of shape (rows,).
        row_name: where a row stands ('rows.csv line 17'), for errors; it travels from workers.
        units: of the columns whose cells, or a line below the header, say it.
        numerals: of the columns whose numbers are not written as a program reads them.
    """

    name: str
    names: tuple[str, ...]
    values: Floats
    text: dict[str, Labels] = field(default_factory=dict)
    row_name: Callable[[int], str] = _numbered
    units: Mapping[str, str] = field(default_factory=dict)
    numerals: Mapping[str, Numerals] = field(default_factory=dict)


def text_columns(config: TableConfig, header: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the columns that are not read as numbers: with a part, ignored, outside `columns`, or of categories.

    Raises:
        UnknownNameError: for a configured column that the header does not have.
        InputError: when no column of numbers or categories is left, a column has two parts, or categories are unclear.
    """
    parts = {key: getattr(config, key) for key in ("target", "group", "session", "time") if getattr(config, key)}
    used = {*parts.values(), *config.ignore, *parts_of(config.time, header)}
    wanted = [*parts.values(), *config.columns, *config.ignore, *config.units, *config.ranges, *config.categories,
              *config.missing_values]  # fmt: skip
    halves = parts_of(config.time, header)
    for name in wanted:
        if name not in header and not (halves and name == config.time):
            raise UnknownNameError("column", name, header, where)
    for key, names in (("columns", config.columns), ("categories", config.categories)):
        if clash := set(names) & used:
            raise ColumnsUnusableError("a column with one part", f"{min(clash)!r} with two", f"{where}, {key}")
    _check_categories(config.categories, header)
    for name, (low, high) in config.ranges.items():
        if not low < high:
            raise ConfigError("a range of a smaller and a larger number", f"[{low:g}, {high:g}]", f"ranges.{name}")
    if config.columns:
        used |= set(header) - set(config.columns)
    used |= set(config.categories)
    if not set(header) - used and not config.categories:
        raise TimeFormatError(
            "at least one column of numbers besides target, group, session and time", f"{', '.join(header)}", where
        )
    return tuple(name for name in header if name in used)


def _check_categories(categories: Mapping[str, Sequence[str]], header: Sequence[str]) -> None:
    """Refuse a text column without several different texts, or with a name that stands for something else."""
    for column, values in categories.items():
        where = f"[data] categories.{column}"
        if len(values) < 2:
            do = f"Name every text of the column, or name {column!r} in ignore"
            raise CategoryError("at least two texts", str(len(values)), where, do)
        if twice := [value for index, value in enumerate(values) if value in values[:index]]:
            raise CategoryError("texts that differ", f"{twice[0]!r} twice", where, "Remove one of them")
        for value in values:
            if value != value.strip() or value.lower() in MISSING_TEXTS:
                raise CategoryError(
                    "texts without blanks around them that are not a sign of a missing value", repr(value), where,
                    "Cells are read without blanks around them; an empty one, nan, NA and ? are missing",
                )  # fmt: skip
            if column_name(column, value) in header:
                do = "Rename that column, or leave the category out"
                raise CategoryError(f"no column {column_name(column, value)!r} beside it", "one", where, do)
        if EQUALS in column:
            raise CategoryError(
                f"a text column without {EQUALS!r} in its name", repr(column), where, "Rename the column"
            )


def with_categories(table: Table, config: TableConfig) -> Table:
    """Return a table with its columns of categories as numbers behind the others.

    Raises:
        InputError: for a text that the configuration does not name.
    """
    names, values = list(table.names), [table.values]
    for column, known in config.categories.items():
        names += [column_name(column, value) for value in known]
        values.append(one_hot(table.text[column], known, lambda row, c=column: f"{table.row_name(row)}, column {c}"))  # type: ignore[misc]
    return replace(table, names=tuple(names), values=np.concatenate(values, axis=1)) if config.categories else table


def without_missing_values(table: Table, config: TableConfig) -> Table:
    """Return a table in which the numbers that mean missing are NaN."""
    if not config.missing_values:
        return table
    columns = [Column(name=name, missing_values=config.missing_values.get(name, msgspec.UNSET)) for name in table.names]
    return replace(table, values=without_sentinels(table.values, columns))


def input_names(config: TableConfig, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that a model sees in their order.

    Args:
        config: which column plays which part.
        names: columns of the tables, as `with_categories` makes them.
    """
    if not config.columns:
        return tuple(names)
    one_hot_names = {
        column: [column_name(column, value) for value in known] for column, known in config.categories.items()
    }
    listed = [name for column in config.columns for name in one_hot_names.get(column, [column])]
    return (*listed, *(name for column, new in one_hot_names.items() if column not in config.columns for name in new))


def known_columns(names: Sequence[str], **tables: Mapping[str, object]) -> None:
    """Refuse a table by column, such as `units`, that names a column that is not there.

    Raises:
        UnknownNameError: naming the table, with the known columns.
    """
    for table, entries in tables.items():
        for name in entries:
            if name not in names:
                raise UnknownNameError("column", name, names, f"[data] {table}")


def read_time(table: Table, config: TableConfig) -> Clock | None:
    """Return the times of a table's rows; None without a time column.

    Raises:
        InputError: a row without a time, or a unit that the file states otherwise.
    """
    if not config.time:
        return None
    unit: Any = config.time_unit
    if stated := unit_spelled(table.units.get(config.time, "")):
        if unit not in ("auto", stated, *ORDERS):
            do = "Correct the line of units, or time_unit in [data]"
            raise TimeFormatError(f"times in {WORDS[unit]}", f"{WORDS[stated]} by its line of units", table.name, do)
        unit = stated
    return read_clock(table.text[config.time], column=config.time, unit=unit, row_name=table.row_name)


def to_recording(table: Table, config: TableConfig, clock: Clock | None = None) -> Recording:
    """Return a table's rows as a recording, its columns in the configured order.

    Args:
        table: at least one row.
        config: which column plays which part.
        clock: the rows' times, as `read_time` gives them.

    Raises:
        InputError: for no rows, or a row without its person or time; file and row are named.
    """
    if not len(table.values):
        raise ColumnsUnusableError("rows", "none", table.name)
    order = [table.names.index(name) for name in input_names(config, table.names)]
    values = table.values
    if order != list(range(len(order))):
        values = np.ascontiguousarray(values[:, order])
    target: Any = read_target(table.text[config.target], config.text_labels) if config.target else None
    if target is not None and target.dtype.kind == "f" and config.target in config.missing_values:
        target = np.where(np.isin(target, config.missing_values[config.target]), np.nan, target)
    groups, sessions = _named(table, config.group), _named(table, config.session)
    if target is not None and config.fill_labels:
        target = fill_down(target, groups, sessions)
    if target is not None and target.dtype.kind == "f" and np.isinf(target).any():
        bad = int(np.flatnonzero(np.isinf(target))[0])
        raise CsvNumberError("a finite number", "an infinite value", f"{table.row_name(bad)}, column {config.target}")
    return Recording(
        name=table.name,
        values=values,
        target=target,
        groups=groups,
        sessions=sessions,
        time=clock.seconds if clock else None,
        day_order=clock.day_order if clock else "",
    )


def refuse_infinite(values: Floats, names: Sequence[str], location: Callable[[int], str]) -> None:
    """Raise `InputError` with row and column of the first infinite value of a (rows, columns) matrix."""
    infinite = np.isinf(values)
    if infinite.any():
        row, column = (int(i) for i in np.argwhere(infinite)[0])
        raise CsvNumberError(
            "finite numbers (within float32)", "an infinite value", f"{location(row)}, column {names[column]}",
            "Leave the field empty if nothing was measured",
        )  # fmt: skip


def data_set(
    recordings: Sequence[Recording],
    names: Sequence[str],
    config: TableConfig,
    *,
    name: str,
    target_name: str = "",
    group_name: str = "",
    seen: NDArray[np.bool_] | None = None,
    tables: Sequence[Table] = (),
) -> DataSet:
    """Put recordings of one schema together.

    Args:
        recordings: at least one.
        names: of the columns.
        config: what else is known of them.
        name: name of the set, its path.
        target_name: of the target, where the configuration names no column.
        group_name: of the group, where the configuration names no column.
        seen: which columns hold a value, where somebody has looked already.
        tables: whose units and numerals the columns have.

    Raises:
        InputError: for no recordings, a column without any value, no labelled row, or a unit that
            contradicts the configuration or another file.
    """
    if not recordings:
        raise ColumnsUnusableError("at least one recording", "none", name)
    for index, column in enumerate(names):
        if not (_holds(recordings, index) if seen is None else seen[index]):
            raise LabelsMissingError(
                f"a value in column {column}", "an all-missing column", name, f"Name {column!r} in ignore, or remove it"
            )
    recordings = _one_kind_of_target(recordings)
    if recordings[0].target is not None and not any(bool(labelled(r.target).any()) for r in recordings):
        raise LabelsMissingError(
            "a label in at least one row", "an all-missing target", f"{name}, column {target_name}"
        )
    return DataSet(
        name=Path(name).name.split(".")[0] or name,
        columns=schema(names, config, tables),
        recordings=tuple(recordings),
        rate=one_rate(recordings) if config.rate is None else config.rate,
        target_name=target_name or config.target,
        group_name=group_name or config.group,
        origin=config.path,
    )


def _holds(recordings: Sequence[Recording], index: int) -> bool:
    """Return whether a column has a value at all."""
    return not all(bool(np.isnan(r.values[:, index]).all()) for r in recordings)


def schema(names: Sequence[str], config: TableConfig, tables: Sequence[Table]) -> tuple[Column, ...]:
    """Return columns with unit and range; a unit in brackets at the end of a name (`temp [C]`) counts as declared.

    Args:
        names: of the columns.
        config: what else is known of them.
        tables: whose units count where nothing else is declared; their numerals are kept where all have them alike.

    Raises:
        InputError: a file has another unit than the declared one, or than another file.
    """
    units = _common_units(tables, config)
    numerals = dict(tables[0].numerals) if tables else {}
    numerals = {name: own for name, own in numerals.items() if all(t.numerals.get(name) == own for t in tables)}
    columns = []
    texts = made_columns(config.categories)
    for name in names:
        low, high = config.ranges.get(name, (None, None))
        unit = "" if name in texts else config.units.get(name, unit_in(name))
        refuse_other_unit(name, unit, units.get(name, ""), "as declared", config.path)
        unit, written = unit or units.get(name, ""), numerals.get(name, msgspec.UNSET)
        columns.append(
            Column(
                name=name,
                unit=unit,
                minimum=low,
                maximum=high,
                numerals=written,
                missing_values=config.missing_values.get(name, msgspec.UNSET),
            )
        )
    return tuple(columns)


def _named(table: Table, column: str) -> Labels | None:
    """Persons or sessions of the rows; every row must have one."""
    if not column:
        return None
    names = table.text[column]
    names = np.char.strip(names) if any(names.strides) else np.broadcast_to(np.char.strip(names[:1]), len(names))
    if (names == "").any():
        bad = int(np.flatnonzero(names == "")[0])
        raise ColumnsUnusableError("a name in every row", "an empty field", f"{table.row_name(bad)}, column {column}")
    return np.asarray(names)


def _one_kind_of_target(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """All targets as text where one of them is: a file may hold only the classes that look like numbers."""
    targets = [r.target for r in recordings if r.target is not None]
    if any(t.dtype.kind == "U" for t in targets) and any(t.dtype.kind == "f" for t in targets):
        return tuple(msgspec.structs.replace(r, target=as_text(r.target)) for r in recordings)
    return tuple(recordings)


def _common_units(tables: Sequence[Table], config: TableConfig) -> dict[str, str]:
    """Return the units of columns that several files have; a file may leave them out.

    Args:
        tables: the files.
        config: which column is the time, whose unit each file has for itself.

    Raises:
        InputError: naming both files where a column has two units.
    """
    units: dict[str, tuple[str, str]] = {}
    for table in tables:
        for column, unit in ((name, unit) for name, unit in table.units.items() if name != config.time):
            known, name = units.setdefault(column, (unit, table.name))
            refuse_other_unit(column, known, unit, f"as in {name}", table.name)
    return {column: unit for column, (unit, _) in units.items()}


SAMPLES: dict[str, dict[str, object]] = {
    "machine": {"kind": "machine", "rows": 3000, "machines": 25},
    "motion": {"kind": "wearable", "rows": 6000, "people": 20},
    "room": {"kind": "room", "rows": 9600, "rooms": 24},
}
"""Tables [data] by name."""
SPEECH: dict[str, object] = {"kind": "speech", "speakers": 20, "repetitions": 4}
"""Table [data] of recordings, a WAV file each."""
