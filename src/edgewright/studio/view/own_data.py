"""A person's own file as the guided start shows it: what was recognised, what is to be known first, signal and map."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.header import made_columns
from edgewright.core.errors import EdgewrightError
from edgewright.core.formatting import plural
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, Floats, Samples
from edgewright.data.checks_columns import column_of
from edgewright.data.contract import Finding, by_column
from edgewright.data.preview import Preview, read_preview
from edgewright.data.roles import assign_roles
from edgewright.data.table_proposal import data_table
from edgewright.data.targets import class_codes
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.plan import build, parts
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.records import Profile
from edgewright.race.pipeline_end import SCALE
from edgewright.race.stages import FILL, IMPUTE, motion_stages
from edgewright.studio.frame import error_text
from edgewright.studio.view.data_cache import Opened, Windows, stamp, windows_of
from edgewright.studio.view.data_sources import DataRequest, Origin
from edgewright.studio.view.drawing import A_PAGE, Picture, draw, has_pictures, some_pictures
from edgewright.studio.view.feature_map import Map, Spread, chosen, draw_map, spread_of
from edgewright.workflows.own_data.proposal import DEVICE, OwnData, OwnDataRequest, base_table, look
from edgewright.workflows.own_data.recipes import SELECT

SHOWN = 6
"""Features whose values are drawn."""


@dataclass(frozen=True, eq=False)
class FeatureValues:
    """Features of the samples on the map.

    Attributes:
        columns: of the features.
        values: shape (samples, features).
        order: places of the features, those that differ most with the target first.
        codes: number of each sample's class; None for an amount.
        classes: by their numbers.
    """

    columns: tuple[Column, ...]
    values: Floats
    order: NDArray[np.int64]
    codes: NDArray[np.int64] | None
    classes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, those that differ most with the target first."""
        return tuple(self.columns[int(index)].name for index in self.order)

    def best(self, count: int | None) -> Floats:
        """Return the values of so many features, of all for None."""
        return self.values if count is None else self.values[:, np.sort(self.order[:count])]

    @cached_property
    def spreads(self) -> tuple[Spread, ...]:
        """How the values of the best features are spread, of all samples and of each class."""
        first = [int(index) for index in self.order[:SHOWN]]
        return tuple(spread_of(self.values[:, i], self.codes, self.classes, self.columns[i]) for i in first)


def feature_values(opened: Opened, data: OwnData) -> FeatureValues | None:
    """Return the features of some samples; None where the model takes signals, or the features cannot be made.

    All chosen samples rank them here, as a look at the data. A run ranks them by its training samples.
    """
    samples, _ = opened.samples()
    tables = _feature_tables(data)
    if samples is None or not tables:
        return None
    features: FeatureValues | None = opened.once(
        "features", lambda: _ranked_features(opened, samples, tables, data.framing.task)
    )
    return features


def _feature_tables(data: OwnData) -> list[dict[str, object]]:
    """Return the stages that make features of the person's data; empty where models take signals."""
    window = data.framing.window
    if window is None:
        return [] if data.framing.kind == "picture" else [IMPUTE]
    return [] if data.framing.kind == "sound" else [FILL, *motion_stages(data.dataset, window.samples)]


def drawn_pipeline(reading: Reading) -> dict[str, Any]:
    """Return a pipeline of the person's data to begin a drawing with: features, and a small network."""
    assert reading.data is not None  # noqa: S101 - asked before
    raw = {"picture": {"kind": "orientations"}, "sound": {"kind": "mfcc", "flatten": True}}
    first = raw.get(reading.data.framing.kind)
    stages = [*([first] if first else _feature_tables(reading.data)), SCALE]
    table = base_table(reading.request, reading.data)
    table["data"]["path"] = reading.request.path
    selected = [{**SELECT, "k": reading.count}] if reading.count else []
    return table | {
        "stages": [*stages, *selected],
        "model": {"layers": [{"kind": "dense", "units": 16}]},
        "device": {"profile": reading.profile.name},
    }


def _ranked_features(
    opened: Opened, samples: Samples, tables: list[dict[str, object]], task: str
) -> FeatureValues | None:
    picked = chosen(np.asarray(samples.y))
    some = msgspec.structs.replace(samples, X=np.asarray(samples.X[picked], np.float32), y=samples.y[picked])
    every = np.arange(len(picked), dtype=np.int64)
    try:
        *stages, select = parts([*tables, {**SELECT, "k": 1}], "features")
        flow = fit_stages(some, every, stages, task, 0, None, lambda card: None)
        values, context = flow.array(every), flow.context
        scores = build(select, context).fit(values, some.y).scores_
    except EdgewrightError:
        return None
    columns = tuple(Column(name=name, unit=unit) for name, unit in zip(context.names, context.units, strict=True))
    codes = class_codes(some.y, opened.classes) if opened.classes else None
    return FeatureValues(columns, values, np.argsort(-scores, kind="stable"), codes, opened.classes)


_ROLES = {"target": "to be predicted", "group": "person or machine", "session": "recording", "time": "time"}
# So many findings are shown at once; the others are folded.
_SHOWN = 4
# Fewer people than this leave the accuracy on new ones uncertain.
_FEW_GROUPS = 12
_NO_GROUP = (
    "No column names a person or machine. If several were measured, training and test may share them, and the accuracy "
    "on new ones is then lower than shown."
)
_NO_VISIT = (
    "Pictures belong to no group. If a thing or place was photographed several times, training and test may share it, "
    "and the accuracy on new ones is then lower than shown."
)
# Rows of the first recording that are drawn at most, and files that are kept in memory.
_MAX_ROWS, _KEPT = 1000, 2


class Framed(Opened):
    """Opened data whose window is the proposed one, or none where rows stand alone."""

    def window(self) -> WindowConfig | None:
        """Return the proposed window."""
        return self.origin.window


@dataclass(frozen=True)
class ColumnLine:
    """A column in the table of what was recognised; `low` and `high` of a reading."""

    name: str
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    ignorable: bool = False


@dataclass(frozen=True)
class Reading:
    """A file with what a person says of it.

    Attributes:
        preview: its columns.
        data: what is in it; None where `problem` says why it cannot be used so.
        opened: for pictures; None without `data`.
        suggested: columns by role when nobody says anything.
    """

    request: OwnDataRequest
    preview: Preview
    suggested: dict[str, str]
    data: OwnData | None = None
    opened: Framed | None = None
    problem: str = ""

    @property
    def features(self) -> FeatureValues | None:
        """What the model would receive; None where that is no list of features."""
        if self.opened is None or self.data is None:
            return None
        return feature_values(self.opened, self.data)

    @property
    def count(self) -> int | None:
        """How many of the features are chosen; None for all, or where there are no more of them."""
        features, count = self.features, self.request.features
        return count if features is not None and count is not None and count < len(features.columns) else None

    @property
    def profile(self) -> Profile:
        """The chosen device."""
        return load_profile(self.request.device or DEVICE)


class Readings:
    """Files that were read, the latest ones, so that a changed window does not read the file again."""

    def __init__(self) -> None:
        self._kept: dict[tuple[OwnDataRequest, tuple[int, ...]], Reading] = {}
        self._lock = threading.Lock()

    def read(self, origin: Origin, request: OwnDataRequest) -> Reading:
        """Return a file as it is understood.

        Raises:
            InputError: it is no table, or a named column or device is not there.
        """
        key = (replace(request, device="", features=None), stamp(origin))
        with self._lock:
            load_profile(request.device or DEVICE)
            if key not in self._kept:
                self._kept[key] = _read(origin, request)
                while len(self._kept) > _KEPT:
                    del self._kept[next(iter(self._kept))]
            return replace(self._kept[key], request=request)


def _read(origin: Origin, request: OwnDataRequest) -> Reading:
    preview = read_preview(request.path)
    given = {key: getattr(request, key) for key in _ROLES}
    assign_roles(preview.columns, given, request.ignore)
    usual = assign_roles(preview.columns, {}, request.ignore, few=preview.is_folder)
    reading = Reading(request, preview, {key: getattr(usual, key) for key in _ROLES})
    try:
        data = look(request)
    except EdgewrightError as error:
        return replace(reading, problem=error_text(error))
    table = data_table(data.preview, data.roles)
    table.pop("path", None)
    options = [(key, getattr(data.roles, key)) for key in _ROLES if getattr(data.roles, key)]
    unread = [*data.roles.ignored, *data.roles.categories]  # an address of the data page names no texts
    options += [("ignore", ",".join(unread))] if unread else []
    options += [("pattern", str(table["pattern"]))] if "pattern" in table else []
    window = data.framing.window
    options += [("window", str(window.samples)), ("step", str(window.step or ""))] if window else []
    framed = replace(origin, table=table, window=window, task=data.framing.task, options=tuple(options))
    return replace(reading, data=data, opened=Framed(framed, data.dataset))


def column_lines(data: OwnData) -> list[ColumnLine]:
    """Return every column with what it is taken for, in the order of the file."""
    lines: dict[str, ColumnLine] = {}
    derived = made_columns(data.roles.categories)
    for index, column in enumerate(data.dataset.columns):
        if column.name in derived:
            continue
        values = column_of(data.dataset, index)
        low, high = (float(edge(values)) for edge in (np.nanmin, np.nanmax))
        lines[column.name] = ColumnLine(column.name, "reading", column.unit, low, high, ignorable=True)
    for key, meaning in _ROLES.items():
        name = getattr(data.roles, key)
        lines |= {name: ColumnLine(name, meaning)} if name else {}
    for name, texts in data.roles.categories.items():
        lines[name] = ColumnLine(name, f"text: {', '.join(texts)}", ignorable=True)
    for name, why in data.roles.ignored.items():
        lines[name] = ColumnLine(name, f"left out: {why}", ignorable=why == "as you asked")
    order = list(data.preview.columns)
    return sorted(lines.values(), key=lambda line: order.index(line.name) if line.name in order else len(order))


def findings(data: OwnData) -> tuple[Sequence[Finding], Sequence[Finding]]:
    """Return what a person should know before training, and the rest of what `edgewright check` finds."""
    groups, added = data.quality.groups, []
    if not groups:
        alone = _NO_VISIT if data.framing.kind == "picture" else _NO_GROUP
        added.append(Finding("no-group", "warning", alone))
    elif groups < _FEW_GROUPS:
        people = plural(groups, "person or machine", "people or machines")
        added.append(Finding("few-groups", "warning", f"Only {people}: with fewer than {_FEW_GROUPS}, the accuracy on "
                            "new ones is uncertain. Record more."))  # fmt: skip
    every = [*added, *by_column(data.quality.findings)]
    shown = [finding for finding in every if finding.severity != "note"][:_SHOWN]
    return shown, [finding for finding in every if finding not in shown]


def shown_pictures(opened: Framed) -> list[tuple[int, str, str]]:
    """Return some pictures with their labels, as `some_pictures`; none of data that are no pictures."""
    return some_pictures(opened, DataRequest("data", opened.origin, {})) if has_pictures(opened) else []


def picture(opened: Framed) -> Picture | None:
    """Return the beginning of the first recording with its labels and windows; None for pictures."""
    if has_pictures(opened):
        return None
    where: Windows | None = None
    if opened.window() is not None:
        samples, _ = opened.samples()
        where = None if samples is None else windows_of(opened, samples)
    end = min(_MAX_ROWS, len(opened.dataset.recordings[0].values))
    channels = list(range(min(A_PAGE, len(opened.dataset.columns))))
    return draw(opened, 0, 0, end, channels=channels, windows=where)


def separation(opened: Framed, features: FeatureValues | None, count: int | None) -> tuple[Map | None, str]:
    """Return the map of the windows or rows by so many features, or why there is none."""
    samples, why = opened.samples()
    if samples is None:
        return None, why
    given = None if features is None else (features.best(count), "what the model would receive")
    return opened.once(("map", count), lambda: draw_map(opened, samples, given)), ""


def data_address(opened: Framed, view: str) -> str:
    """Return where the data's own page shows these data."""
    return DataRequest("data", opened.origin, {}).to("", "", view=view)


def window_bytes(data: OwnData) -> int:
    """Return bytes that a device keeps of the stream: a window of float32, a row, or a picture."""
    rows = data.framing.window.samples if data.framing.window else 1
    return 4 * rows * int(np.prod(data.dataset.recordings[0].values.shape[1:]))


def longest_window(data: OwnData) -> int:
    """Return the rows of the longest window that is offered: half the longest recording, at most 1,024."""
    longest = max(len(recording.values) for recording in data.dataset.recordings)
    return max(8, min(1024, longest // 2))
