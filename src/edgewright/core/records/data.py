"""Recordings, data sets and the samples cut from them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.str_]
TimeUnit = Literal["auto", "s", "ms", "us", "ns", "min", "h", "d", "y", "dmy", "mdy"]
"""Unit of a time in numbers, or the order of day and month in dates with slashes; 'auto' goes by name and values."""


class Numerals(msgspec.Struct, frozen=True, kw_only=True):
    """How the numbers of a column are written in texts; its unit may stand behind them.

    Attributes:
        decimal: before the digits behind the point.
        thousands: between groups of three digits; empty for nothing.
    """

    decimal: str
    thousands: str


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a recording: its name, unit and the range the sensor can give (None: not declared).

    `numerals` says how all its files write numbers, where that is not as a program does. `missing_values` are numbers
    that mean missing, such as -9999, where they were looked for.
    """

    name: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    numerals: Numerals | msgspec.UnsetType = msgspec.UNSET
    missing_values: tuple[float, ...] | msgspec.UnsetType = msgspec.UNSET


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """Rows from one source and one person, machine or session, in order of time.

    Attributes:
        name: where it came from (a file name, or a name made up by the source).
        values: shape (rows, columns), float32, NaN where a value is missing.
        target: shape (rows,), labels as text or float64 for regression; None when unlabelled.
            In a text target the empty string marks an unlabelled row.
        groups: shape (rows,), person or machine of each row as text; None when unknown.
        sessions: shape (rows,), session of each row as text; None means the recording is one session.
        time: shape (rows,), seconds as float64, relative to the first row; None when rows carry no time.
        day_order: 'dmy' or 'mdy', the order in which dates with slashes were read; empty for other times.
    """

    name: str
    values: Floats
    target: Any = None
    groups: Labels | None = None
    sessions: Labels | None = None
    time: NDArray[np.float64] | None = None
    day_order: str = ""


class DataSet(msgspec.Struct, frozen=True, kw_only=True):
    """Recordings of one schema.

    Attributes:
        name: name of the set.
        columns: schema of the columns of `values`, in order.
        recordings: at least one.
        rate: samples a second, None for a table without time.
        target_name: name of the target column, empty when unlabelled.
        group_name: name of the group column, empty when unknown.
        origin: address or path the rows came from.
        licence: as stated at the origin; empty for the user's own data.
        citation: how the origin asks to be cited.
    """

    name: str
    columns: tuple[Column, ...]
    recordings: tuple[Recording, ...]
    rate: float | None = None
    target_name: str = ""
    group_name: str = ""
    origin: str = ""
    licence: str = ""
    citation: str = ""

    @property
    def groups(self) -> list[str]:
        """People or machines of all recordings."""
        names_known: set[str] = set()
        for names in (
            recording.groups for recording in self.recordings if recording.groups is not None and len(recording.groups)
        ):
            # A name stands for many rows: those at which it changes name all of them.
            names_known.update(map(str, names[np.append(True, names[1:] != names[:-1])].tolist()))
        return sorted(names_known)


class TextSet(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of text: sentences with their labels, questions with their answers.

    Attributes:
        name: name of the set.
        columns: names of the columns, in order.
        rows: each as long as `columns`.
        origin, licence, citation: as in `DataSet`.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    origin: str = ""
    licence: str = ""
    citation: str = ""


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """What a pipeline is fitted on: rows or windows, each with its target, group and place.

    Attributes:
        X: shape (n, columns) for rows or (n, channels, samples) for windows, float32, NaN where missing.
        y: shape (n,), text labels or float64.
        groups: shape (n,), person or machine; None when unknown.
        sessions: shape (n,), session or recording name.
        starts: shape (n,), index of the first row within its session; two windows of one session overlap
            when their starts are nearer than a window's length. With `window.fill_start`, a window that begins with
            copies of a recording's first row starts so many rows before that row, below 0 in a session's first rows.
        columns: schema of the columns or channels.
        rate: samples a second, None for a table.
        seconds: shape (n,), time of its first row that is no copy, since that of the recording; None when rows carry
            no time.
    """

    X: Floats
    y: Any
    groups: Labels | None
    sessions: Labels
    starts: NDArray[np.int64]
    columns: tuple[Column, ...]
    rate: float | None = None
    seconds: NDArray[np.float64] | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Which samples train, validate and test: index arrays, disjoint, in ascending order.

    Attributes:
        train: indices that fit everything.
        validation: indices that stop training early and calibrate probabilities; never fitted on.
        test: indices looked at once, for the report.
        by: 'group', 'session', 'time' or 'row': what was kept whole.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    by: str


LABELS_VERSION = 1
LABEL_FROM = "label_from"
"""Column of exported data that says who a label is from: 'human/NAME' or 'machine/SUGGESTER'; empty without a label."""
MACHINE, HUMAN = "machine/", "human/"

State = Literal["none", "open", "stale", "done"]


class ClassAudit(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of one class as the machine gave them.

    Attributes:
        label: of the machine.
        population: machine labels of it; `answered` of these were looked at by people, `errors` were wrong.
        low, high: Clopper-Pearson interval of the error rate, as a fraction.
    """

    label: str
    population: int
    answered: int
    errors: int
    low: float
    high: float


class LabelAudit(msgspec.Struct, frozen=True, kw_only=True):
    """What a random sample says of all machine labels of a project.

    Attributes:
        state: 'none' was drawn, 'open' lacks answers, 'stale' is of other labels than there are now, 'done'.
        population: machine labels that the sample was drawn from.
        sampled, answered, errors: of the simple random sample.
        low, high: Clopper-Pearson interval of the error rate, as a fraction, two-sided at `level`.
        level: 0.95 at the first look, closer to 1 at each further one, so that all looks together keep 0.95.
        looks: samples that were drawn in this project so far.
        classes: by the label of the machine.
        when: time of the last draw in UTC, ISO 8601.
    """

    state: State = "none"
    population: int = 0
    sampled: int = msgspec.field(default=0, name="drawn")
    answered: int = 0
    errors: int = 0
    low: float = 0.0
    high: float = 1.0
    level: float = 0.95
    looks: int = 0
    classes: tuple[ClassAudit, ...] = ()
    when: str = ""


class LabelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`NAME.labels.json` beside exported data.

    Attributes:
        project: name of the label project.
        file: name of the data file; sha256: of its bytes.
        sources: labels by whom they are from, such as {'machine/neighbours': 900, 'human/ann': 100}.
        audit: of the machine labels.
        created: time in UTC, ISO 8601.
    """

    version: int = LABELS_VERSION
    project: str
    file: str
    sha256: str
    sources: dict[str, int]
    audit: LabelAudit = LabelAudit()
    created: str = msgspec.field(default="", name="made")

    @property
    def machine(self) -> int:
        """Labels that nobody has looked at."""
        return sum(count for name, count in self.sources.items() if name.startswith(MACHINE))

    @property
    def human(self) -> int:
        """Labels that people gave or accepted."""
        return sum(count for name, count in self.sources.items() if name.startswith(HUMAN))
