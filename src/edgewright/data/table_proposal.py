"""The table [data] that reads a person's files: what a person names, and the rest by names and values of columns."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from edgewright.core.clocks.reader import ORDERS, needs_order, unclear_order
from edgewright.core.clocks.units import pace
from edgewright.core.errors import CsvNumberError, TimeFormatError
from edgewright.core.formatting import plural
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import DataSet, Floats, Labels, Recording
from edgewright.data.checks_columns import target_of
from edgewright.data.load import guess
from edgewright.data.matching import is_text, values_of
from edgewright.data.preview import Preview, read_preview
from edgewright.data.remote import located
from edgewright.data.resampling import averaged, framing_rate, lowest_rate
from edgewright.data.roles import NAMED, NAMED_IGNORED, NONE, UNNAMED, Roles, assign_roles
from edgewright.data.roles import find_target as named_target
from edgewright.data.series import SPECTRUM, ColumnSeries, find_series, numbered
from edgewright.data.table_reader import KEY as SKIP_BAD_ROWS
from edgewright.data.targets import as_text, labelled, task_of

PARTS = ("target", "group", "session", "time")
"""Keys of columns that are no inputs."""
TargetSearch = Literal["none", "named", "any"]
"""Targets that a command takes where none is named."""
TABLES = ("csv", "parquet", "folder")
"""Sources whose columns are named."""


def data_table(preview: Preview, roles: Roles) -> dict[str, object]:
    """Return the table `[data]`.

    Raises:
        InputError: the time has several meanings.
    """
    if (choice := roles.unclear) is not None and choice.unit in ORDERS:
        cell = next(filter(needs_order, preview.columns[roles.time].tolist()))
        raise unclear_order(roles.time, cell, str(preview.table["path"]))
    if choice is not None:
        raise TimeFormatError(
            "a time whose unit is clear",
            f"{roles.time!r}, which rises by {choice.step:g}: {' or '.join(map(choice.pace, choice.units))}",
            str(preview.table["path"]),
            f"Say which with --time-unit {choice.unit} (time_unit in [data]), or call the column "
            f"{roles.time}_{choice.unit}",
        )
    table = {**preview.table, **roles.table()}
    if units := {name: unit for name, unit in preview.units.items() if name in roles.readings}:
        table["units"] = units
    if table["kind"] == "csv" and not roles.target and Path(str(table["path"])).is_dir():
        table["kind"] = "folder"  # labels come from names or a labels file
    columns = {"label": roles.target, "group": roles.group}
    if not any(part in preview.pattern_values and not column for part, column in columns.items()):
        table.pop("pattern", None)  # a further file may have a name of another form
    return table


@dataclass(frozen=True)
class ProposedTable:
    """How data are read.

    Attributes:
        table: [data].
        preview: cells by column; None for what has no columns of its own, such as sound.
        roles: what each column is.
    """

    table: dict[str, object]
    preview: Preview | None = None
    roles: Roles = field(default_factory=Roles)

    def with_numbers(self) -> ProposedTable:
        """Return the table that reads every column of numbers but those that a person left out, to look at them."""
        if self.preview is None or not self.preview.columns:
            return self
        columns, ignored = self.preview.columns, self.roles.ignored
        left = {n: why for n, why in ignored.items() if why == NAMED_IGNORED or not _is_number(columns[n])}
        return replace(self, table={**self.table, "ignore": list(left)}, roles=replace(self.roles, ignored=left))

    @property
    def sentence(self) -> str:
        """What columns were taken for without being named, in a line; empty where there are none."""
        return ". ".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the file was read as, what its rows are, and what columns were taken for; warnings are not repeated."""
        parts = [f"{key} = {getattr(self.roles, key)}" for key in PARTS if self.roles.why.get(key, NAMED) != NAMED]
        parts += [f"{name} left out ({why})" for name, why in self.roles.ignored.items() if why != NAMED_IGNORED]
        understood = self.preview.sentence(self.roles.numbers, loaded=True) if self.preview is not None else ""
        parts_of_file = [f"read as {understood}"] if understood else []
        parts_of_file += [f"each row is {self.roles.series.description}"] if self.roles.series is not None else []
        return (*parts_of_file, *([f"columns: {'; '.join(parts)}"] if parts else []))


def propose_table(
    path: str,
    named: Mapping[str, object],
    kind: str = "",
    *,
    texts: bool = True,
    kept: Collection[str] = (),
    constants: bool = False,
    find_target: TargetSearch = "none",
) -> ProposedTable:
    """Return the table that commands without a pipeline read data with: columns are what they are for `init`.

    Args:
        path: file or folder.
        named: keys of [data] as a person gave them; empty ones count as left out.
        kind: source or public set; judged by the path when empty. A public set knows its own columns.
        texts: whether columns of text are inputs; else they are left out, and so is a column that its name says is to
            be predicted.
        kept: columns that are inputs because a person says so.
        constants: whether columns of one number are inputs: a detector raises an alarm where they leave it.
        find_target: which target counts where the person names none: 'any' that `init` takes, 'named' those that a
            column's name says, or 'none'.

    Raises:
        InputError: the path cannot be read.
        UnknownNameError: a named column is not there.
    """
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in named.items() if value}
    table: dict[str, object] = {"kind": kind, "path": path}
    if not kind:
        table = guess(path)
    if table["kind"] not in TABLES or not Path(located(path)).exists():
        return ProposedTable({**table, **given})
    preview = read_preview(path, skip_bad_rows=bool(given.get(SKIP_BAD_ROWS)))
    parts = {key: str(given.get(key, "")) for key in (*PARTS, "time_unit")}
    ignored = given.pop("ignore", [])
    roles = _roles(preview, parts, [str(name) for name in ignored], texts, find_target)  # type: ignore[attr-defined]
    if not roles.readings and not roles.categories:  # a column that counts is better than none
        kept = [name for name in roles.ignored if _is_number(preview.columns[name])]
    elif constants:
        still = {name: why for name, why in roles.ignored.items() if why != NAMED_IGNORED}
        kept = [*kept, *(name for name in still if _is_constant_number(preview.columns[name]))]
    left = {name: why for name, why in roles.ignored.items() if name not in kept or name in ignored}  # type: ignore[operator]
    roles = replace(roles, ignored=left)
    table = {**data_table(preview, roles), **({"kind": kind} if kind else {})}
    if "pattern" in given:
        table["kind"] = kind or "folder"
    elif table["kind"] != "folder":
        table.pop("pattern", None)
    if "columns" in given:  # every other column is left out
        table.pop("ignore", None)
        table.pop("categories", None)
    given = {key: value for key, value in given.items() if key not in PARTS}
    return ProposedTable({**table, **given}, preview, roles)


def _is_number(cells: Labels) -> bool:
    """Return whether cells can be read as numbers, at least one of them."""
    return bool(values_of(cells)) and not is_text(cells)


def proposed_target(preview: Preview, parts: Mapping[str, str], ignored: Sequence[str]) -> str:
    """Return the target that `init` takes because a column's name says so; empty where it would guess by position.

    Empty, too, where no input is left beside it.

    Args:
        preview: of the data.
        parts: `group`, `session` and `time` as a person named them.
        ignored: columns that a person leaves out.
    """
    roles = assign_roles(
        preview.columns, {**parts, "target": ""}, ignored, preview.texts, few=preview.is_folder, units=preview.units
    )
    has_inputs = bool(roles.readings or roles.categories)
    return roles.target if has_inputs and not roles.why.get("target", UNNAMED).startswith(UNNAMED) else ""


def _is_constant_number(cells: Labels) -> bool:
    return _is_number(cells) and len(values_of(cells)) == 1


def _roles(preview: Preview, parts: dict[str, str], ignored: list[str], texts: bool, find: TargetSearch) -> Roles:
    few = preview.is_folder
    if not parts["target"] and find == "named" and not proposed_target(preview, parts, ignored):
        find = "none"
    if not parts["target"] and find == "none":
        parts = {**parts, "target": NONE}
        if not texts and (name := named_target(preview.columns)):
            ignored = [*ignored, name]
    roles = assign_roles(preview.columns, parts, ignored, preview.texts, few=few, units=preview.units)
    if texts or not roles.categories:
        return roles
    why = dict.fromkeys(roles.categories, "text")
    return replace(roles, categories={}, ignored={**roles.ignored, **why})


# Rows a second from which on one row alone says little: a motion is a sequence of rows.
_STREAM_HZ = 5.0
# Seconds of a window, and rows of one where the rate is unknown; longer ones are tried where people can be left out.
WINDOW_S, WINDOW_ROWS = 2.5, 128
# Rows without a time are a stream where nine of ten stretches of a label last so many windows, and neighbours are
# this much alike.
_STRETCH_ROWS, _ALIKE = 128, 0.3
# A recording has so many rows; fewer that are a series each are samples of their own.
_FEW_ROWS = 10
# Rows that say whether columns are a series.
_SERIES_ROWS = 1_000
# A whole recording of at most so many rows is one sample.
_WHOLE_ROWS = 1024


@dataclass(frozen=True)
class Framing:
    """What a decision is about.

    Attributes:
        kind: 'row', 'window', 'recording', 'sound', 'picture', or 'series' or 'spectrum' for rows that are one.
        why: in a sentence.
        window: None for rows.
        task: 'classification' or 'regression'.
    """

    kind: str
    why: str
    window: WindowConfig | None
    task: str


def choose_framing(dataset: DataSet, decision: str = "", task: str = "auto") -> Framing:
    """Choose it from rate, stretches of labels and likeness of neighbours.

    Args:
        dataset: labelled.
        decision: as a person says it: 'row', 'recording', '2 s' or '100 rows'; empty to choose.
        task: 'classification', 'regression', or 'auto' to choose by the labels.

    Raises:
        InputError: no labels, or a decision that cannot be made from these data.
    """
    if (rate := lowest_rate(dataset)) is not None:
        framing = choose_framing(msgspec.structs.replace(dataset, rate=framing_rate(dataset, rate)), decision, task)
        return framing if framing.window is None else choose_framing(averaged(dataset, rate), decision, task)
    task = _task(dataset, task)
    if decision:
        return _as_said(dataset, decision, task)
    if dataset.recordings[0].values.ndim == 4:
        return Framing("picture", "each picture is answered by itself", None, task)
    sound, why = sound_window(dataset)
    if sound is not None:
        return Framing("sound", why, sound, task)
    series = _series(dataset)
    series_framing = None if series is None else Framing(series.kind, f"each row is {series.description}", None, task)
    # Channels of a stream or of recordings may be like their neighbours, too.
    if series is not None and series_framing is not None and (series.kind == SPECTRUM or _stand_alone(dataset)):
        return series_framing
    if task == "classification" and (whole := _recordings(dataset)) is not None:
        return whole
    lone = series_framing if dataset.rate is None else None
    return _stream(dataset, task) or lone or Framing("row", _row_reason(dataset), None, task)


def _task(dataset: DataSet, task: str) -> str:
    """Return the task that the labels of all rows say; their array is gone by then.

    Raises:
        InputError: no labels.
    """
    y = target_of(dataset)
    if y is None:
        raise CsvNumberError("labelled rows", "none", dataset.name, "Name the column to predict with --target")
    return task_of(y, task)


def _series(dataset: DataSet) -> ColumnSeries | None:
    """Return the columns that are values one after the other; None where rows are separate readings."""
    names = [column.name for column in dataset.columns]
    return find_series(names, _some_rows(dataset)) if numbered(names) else None


def _stand_alone(dataset: DataSet) -> bool:
    """Return whether a label lasts few rows, and a row is unlike the next one."""
    runs = stretches(dataset)
    return (not runs or float(np.median(runs)) < _FEW_ROWS) and _likeness(dataset) < _ALIKE


def _some_rows(dataset: DataSet) -> Floats:
    every = max(1, sum(len(recording.values) for recording in dataset.recordings) // _SERIES_ROWS)
    return np.concatenate([np.asarray(recording.values[::every], np.float32) for recording in dataset.recordings])


def _as_said(dataset: DataSet, decision: str, task: str) -> Framing:
    if decision == "row":
        return Framing("row", "as you asked", None, task)
    if decision == "recording":
        longest = max(stretches(dataset), default=0)
        return Framing("recording", "as you asked", _padded(longest), task)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|rows)", decision)
    if not match:
        raise CsvNumberError("row, recording, '2 s' or '100 rows'", repr(decision), "--decision")
    if match[2] == "s" and dataset.rate is None:
        raise CsvNumberError("a time column for a window in seconds", "none", "--decision", "Give a number of rows")
    samples = round(float(match[1]) * ((dataset.rate or 1.0) if match[2] == "s" else 1.0))
    if samples < 2:
        raise CsvNumberError("a window of two rows or more", decision, "--decision")
    sound = sound_window(dataset)[0] is not None
    return Framing("sound" if sound else "window", "as you asked", _window(samples, task, pad=sound), task)


def _recordings(dataset: DataSet) -> Framing | None:
    """Return whole recordings as samples, where there are many short ones of one label each and of unlike lengths."""
    runs = np.array(stretches(dataset))
    sessions = sum(_count_sessions(recording) for recording in dataset.recordings)
    if len(runs) < 20 or abs(sessions - len(runs)) > 0.05 * len(runs) or (len(np.unique(runs)) == 1 and runs[0] == 1):
        return None
    long = math.ceil(np.quantile(runs, 0.98))
    limit = _WHOLE_ROWS if dataset.rate is None else 2 * WINDOW_S * dataset.rate
    if not 2 < long <= limit:
        return None
    window = _padded(long)
    lengths = f"{long} rows"
    if runs.min() < runs.max():
        lengths = (f"{runs.max()} rows or fewer, from {runs.min()} on; {long} rows hold 98 % of them whole, "
                   "shorter ones are filled up with zeros")  # fmt: skip
    why = f"{len(runs):,} recordings of one label each, {lengths}"
    return Framing("recording", why, window, "classification")


def _count_sessions(recording: Recording) -> int:
    """Count the sessions of a recording; without a session column, each person or machine counts as one session."""
    names = recording.groups if recording.sessions is None else recording.sessions
    return 1 if names is None else len(np.unique(names))


def _padded(rows: int) -> WindowConfig:
    return WindowConfig(samples=rows, step=rows, pad=True)


def _stream(dataset: DataSet, task: str) -> Framing | None:
    """Return windows of a stream; None for rows that stand alone."""
    rate = dataset.rate
    if rate is not None and rate < _STREAM_HZ:
        return None
    runs = stretches(dataset) if task == "classification" else [len(r.values) for r in dataset.recordings]
    if not runs:
        return None
    usual = float(np.quantile(runs, 0.1)) if rate is None else float(np.median(runs))
    if rate is None and (task != "classification" or usual < _STRETCH_ROWS or _likeness(dataset) < _ALIKE):
        return None
    samples = WINDOW_ROWS if rate is None else max(2, round(WINDOW_S * rate))
    if usual < samples:
        samples = max(2, int(usual))
    length = f"{samples} rows" + (f", {samples / rate:.3g} s" if rate else "")
    reason = pace(rate) if rate else f"no time column, but neighbours are alike and labels last {usual:,.0f} rows"
    return Framing("window", f"{reason}: a decision looks at {length}", _window(samples, task), task)


def _window(samples: int, task: str, *, pad: bool = False) -> WindowConfig:
    window = WindowConfig(samples=samples, step=max(1, samples // 2), pad=pad)
    return window if task == "classification" else msgspec.structs.replace(window, within="recording")


def _likeness(dataset: DataSet) -> float:
    """Return the median over columns of the correlation of a row with the next one, within the longest recording."""
    values = max((r.values for r in dataset.recordings), key=len)
    return float(np.median([_next_correlation(values[:, [index]]) for index in range(values.shape[1])]))


def _next_correlation(column: Floats) -> float:
    """Return the correlation of short-term changes: what a slow drift or sorted rows share does not count."""
    x = np.nan_to_num(column[:50_000, 0].astype(np.float64))
    around = min(65, len(x))
    smooth = np.convolve(x, np.ones(around) / around, mode="same")
    rest = x - smooth
    power = float((rest**2).sum())
    return float((rest[1:] * rest[:-1]).sum() / power) if power else 0.0


def _row_reason(dataset: DataSet) -> str:
    if dataset.rate is not None:
        return f"{pace(dataset.rate)}: each row is judged alone"
    rows = sum(len(recording.values) for recording in dataset.recordings)
    columns = [name for family in numbered([c.name for c in dataset.columns]).values() for name in family.values()]
    columns_note = ""
    if columns:
        columns_note = f"; {columns[0]} to {columns[-1]} are readings of their own, because neighbours are not alike"
    return f"{plural(rows, 'row')} without a time that stand alone{columns_note}"


# From this rate on rows are samples of sound or vibration.
SOUND = 4000.0
# Stretches of one label that last no longer are whole sounds, such as a word; longer ones are cut into windows.
_WHOLE_S, _SOUND_S = 2.5, 1.0
# So many stretches are no longer than a window, and a window is a multiple of so many samples.
_SHARE, _GRAIN = 0.9, 256


def stretches(dataset: DataSet) -> list[int]:
    """Return rows of each stretch of one label, session and person within a recording; empty for amounts."""
    runs: list[int] = []
    for recording in dataset.recordings:
        if recording.target is None or not len(recording.values):
            continue
        y = np.asarray(recording.target)
        known = labelled(y)
        if not known.any():
            continue
        if task_of(y[known]) != "classification":
            return []
        names = as_text(y)
        change = names[1:] != names[:-1]
        for kept in (recording.sessions, recording.groups):
            change = change if kept is None else change | (kept[1:] != kept[:-1])
        turns = np.flatnonzero(change) + 1
        edges = np.concatenate(([0], turns, [len(names)]))
        runs += [int(n) for n, at in zip(np.diff(edges), edges[:-1], strict=True) if known[at]]
    return runs


def sound_window(dataset: DataSet) -> tuple[WindowConfig | None, str]:
    """Return the window in which sound is cut where none is named, and why; None for what is no sound.

    A window holds nine of ten stretches of one label whole; where they are longer than 2.5 s, it lasts a second.
    Shorter ones are filled up with zeros.
    """
    rate = dataset.rate
    if rate is None or rate < SOUND:
        return None, ""
    runs = stretches(dataset)
    long = float(np.quantile(runs, _SHARE)) if runs else math.inf
    if long <= _WHOLE_S * rate:
        samples, reach = _GRAIN * math.ceil(long / _GRAIN), f"nine of ten of {len(runs):,} sounds fit in"
    else:
        samples, reach = _GRAIN * round(_SOUND_S * rate / _GRAIN), "sounds are longer than"
    why = f"{rate:g} rows a second are sound: {reach} a window of {samples:,} samples, {samples / rate:.3g} s"
    return WindowConfig(samples=samples, pad=True), f"{why}; shorter ones are padded with zeros"
