"""Rows for a detector: any source, a run's own data, or a package's columns and windows; with labels where named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import GAP, unit_spelled
from edgewright.core.csv.rows import iter_csv
from edgewright.core.errors import DetectorError, LabelsMissingError, UnknownNameError
from edgewright.core.input.recordings import cut, rate_in_training
from edgewright.core.package import read_package
from edgewright.core.predictor import package_path
from edgewright.core.records.data import Column, DataSet, Floats, Recording, TimeUnit
from edgewright.core.records.package import WindowSpec
from edgewright.data.clock import read_clock
from edgewright.data.load import find_kind, guess, load_data
from edgewright.data.resampling import refuse_other_rates
from edgewright.data.table_proposal import propose_table
from edgewright.data.targets import as_text, labelled
from edgewright.monitor.detector_stream import window_features
from edgewright.pipeline.run_folder.store import remembered
from edgewright.workflows.proof.subject import read_subject

# Labels that mean that nothing is odd, in any case of letters; others must be named.
NORMAL = ("0", "0.0", "normal", "ok", "good", "healthy", "false", "no")
_TABLES = (".csv", ".csv.gz", ".csv.xz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")


@dataclass(frozen=True)
class Stretch:
    """Rows of one recording as a detector sees them.

    Attributes:
        name: name of the recording.
        values: shape (rows, channels), or features of windows.
        time: shape (rows,), seconds; NaN where unknown.
        odd: shape (rows,), whether a row is labelled odd; None without labels.
    """

    name: str
    values: Floats
    time: NDArray[np.float64]
    odd: NDArray[np.bool_] | None = None

    def part(self, start: int, end: int) -> Stretch:
        """Return rows from `start` up to, but not with, `end`."""
        odd = None if self.odd is None else self.odd[start:end]
        return replace(self, values=self.values[start:end], time=self.time[start:end], odd=odd)

    def calm(self) -> Floats:
        """Return the values, NaN in rows that are labelled odd: nothing is learnt from them, and time does not jump."""
        if self.odd is None or not self.odd.any():
            return self.values
        kept = self.values.copy()
        kept[self.odd] = np.nan
        return kept


@dataclass(frozen=True)
class Watched:
    """What a detector is fitted on.

    Attributes:
        name: name of the data.
        columns: channels in their order.
        stretches: one a recording, in order.
        window: rows become windows first; None for rows.
        rate: rows a second; None where nobody knows.
        time_unit: of the numbers in the time column, as [data] has it.
    """

    name: str
    columns: tuple[Column, ...]
    stretches: tuple[Stretch, ...]
    window: WindowSpec | None
    rate: float | None
    time_unit: TimeUnit = "auto"

    @property
    def per_second(self) -> float | None:
        """Judgements a second: rows, or windows."""
        return self.rate / self.window.step if self.rate and self.window else self.rate

    @property
    def labelled(self) -> bool:
        """Whether some rows are odd by their labels."""
        return any(s.odd is not None and bool(s.odd.any()) for s in self.stretches)


def read_watched(
    data: str,
    *,
    kind: str = "",
    target: str = "",
    time: str = "",
    ignore: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    normal: tuple[str, ...] = (),
    package: str = "",
    window: tuple[int, int] | None = None,
    time_unit: str = "",
) -> Watched:
    """Read the rows a detector is fitted on or judged by.

    Args:
        data: file, folder or run folder; a run's data are read again from where they lay.
        kind: source or public set; judged by the path when empty.
        target: column with labels: 0, normal, ok, good, healthy, false and no are normal, all others odd; empty for
            none.
        time: column with the time of a row.
        ignore: columns that are left out.
        columns: columns that are watched, in this order; all that are numbers when left out.
        normal: labels that are normal instead of these.
        package: run or package whose columns and windows are watched.
        window: rows of a window and of its step.
        time_unit: of a time in numbers; by its name, values and what is measured when empty.

    Raises:
        InputError: rows that cannot be read, a column that is not there, another rate than that of the package, or
            a package instead of rows.
    """
    dataset, spec, unit = _opened(data, kind, target, (time, time_unit), ignore, columns)
    if package:
        manifest = read_package(package_path(package)).manifest
        refuse_other_rates(dataset, rate_in_training(manifest))
        columns = columns or tuple(column.name for column in manifest.columns)
        # A detector judges windows of rows that came, without copies.
        spec = manifest.window and msgspec.structs.replace(manifest.window, fill_start=False)
    if window is not None:
        spec = WindowSpec(samples=window[0], step=window[1], rate=dataset.rate)
    order = _order(dataset, columns)
    # What a run was trained to tell apart says nothing of odd rows, unless it is named.
    if target and target != dataset.target_name:
        raise UnknownNameError("column of labels", target, [dataset.target_name] if dataset.target_name else [], data)
    origins = [_origin(data, recording.name, time, unit) for recording in dataset.recordings]
    return replace(watched_of(dataset, spec, order, origins, normal, target), time_unit=unit)


def watched_of(
    dataset: DataSet,
    window: WindowSpec | None,
    order: Sequence[int] = (),
    origins: Sequence[float] = (),
    normal: tuple[str, ...] = (),
    target: str = "",
) -> Watched:
    """Return rows, or windows of them, of a data set that was read.

    Args:
        dataset: of the rows.
        window: rows become windows; None for rows.
        order: places of the columns that are watched; all when empty.
        origins: when each recording began, in seconds since 1970; unknown when empty.
        normal: labels that are normal; those of `NORMAL` when empty.
        target: column of the labels; empty for none.

    Raises:
        InputError: no row has a normal label, or no recording is as long as a window.
    """
    order = list(order or range(len(dataset.columns)))
    channels = [
        _stretch(recording, order, origin, normal, target)
        for recording, origin in zip(dataset.recordings, origins or [0.0] * len(dataset.recordings), strict=True)
    ]
    if target and all(s.odd is not None and bool(s.odd.all()) for s in channels):
        known = ", ".join(normal or NORMAL)
        raise LabelsMissingError(f"rows with a normal label ({known})", "none", f"{dataset.name}, column {target}",
                         "Set the normal label with --normal LABEL")  # fmt: skip
    stretches = channels
    if window is not None:
        parts = zip(channels, dataset.recordings, strict=True)
        stretches = [_windowed(part, window) for whole, single in parts for part in _split(whole, single, dataset.rate)]
    if not sum(len(s.values) for s in stretches):
        longest = max((len(s.values) for s in channels), default=0)
        if window is None or not longest:
            raise DetectorError("rows", "none", dataset.name, "Pass a file or folder that has some")
        raise DetectorError(
            f"a recording of at least {window.samples} rows without a gap, as the window needs",
            f"{longest} rows in the longest", dataset.name, "Give longer recordings, or a shorter window",
        )  # fmt: skip
    chosen = tuple(dataset.columns[index] for index in order)
    return Watched(dataset.name, chosen, tuple(stretches), window, dataset.rate)


def _opened(
    data: str, kind: str, target: str, time: tuple[str, str], ignore: tuple[str, ...], columns: tuple[str, ...]
) -> tuple[DataSet, WindowSpec | None, TimeUnit]:
    """Return the data set, the window of a run, and the unit of times; `time` is a column and its unit."""
    file_path = Path(data)
    if file_path.suffix == ".edge":
        raise DetectorError("rows, or a run folder", "a package, which has none", data,
                         f"Pass the rows: edgewright detect fit ROWS --package {file_path.name}")  # fmt: skip
    if (file_path / "pipeline.toml").is_file() or (file_path / "trace.json").is_file():
        config = _config(file_path)
        dataset = load_data(config.data, seed=config.seed, path=remembered(file_path).data_location())
        step = 0 if config.window is None else config.window.step or max(1, config.window.samples // 2)
        spec = WindowSpec(samples=config.window.samples, step=step, rate=dataset.rate) if config.window else None
        unit: Any = config.data.get("time_unit", "auto")
        return dataset, spec, unit
    # A public set knows its own labels and times: it has no such keys, and `target` is compared with its name below.
    keys = find_kind(kind or str(guess(data)["kind"]), "--kind").config.__struct_fields__
    parts = (("target", target), ("time", time[0]), ("time_unit", time[1]))
    named = {key: value for key, value in parts if key in keys}
    proposed = propose_table(data, {**named, "ignore": ignore}, kind, texts=False, kept=columns, constants=True)
    unit = proposed.table.get("time_unit", "auto")
    return load_data(proposed.table, seed=0), None, unit


def _config(path: Path) -> Any:  # noqa: ANN401 - a PipelineConfig
    pipeline = read_subject(path).pipeline
    if pipeline is None:
        raise DetectorError("a run folder with a record of its data", "one without its pipeline", str(path))
    return pipeline.config


def _order(dataset: DataSet, columns: tuple[str, ...]) -> list[int]:
    """Where the wanted columns stand.

    Raises:
        UnknownNameError: for one that is not there.
    """
    names = [column.name for column in dataset.columns]
    for column in columns:
        if column not in names:
            raise UnknownNameError("column", column, names, dataset.name)
    return [names.index(column) for column in columns] if columns else list(range(len(names)))


def _stretch(recording: Recording, order: list[int], origin: float, normal: tuple[str, ...], target: str) -> Stretch:
    values = np.ascontiguousarray(recording.values[:, order], np.float32)
    time = np.full(len(values), np.nan) if recording.time is None else recording.time + origin
    odd = None
    if target and recording.target is not None:
        known, labels = labelled(recording.target), as_text(recording.target)
        odd = known & ~(np.isin(labels, normal) if normal else np.isin(np.char.lower(labels), NORMAL))
    return Stretch(recording.name, values, time, odd)


def _origin(data: str, name: str, time: str, unit: TimeUnit) -> float:
    """When a CSV recording began, in seconds since 1970: the time of day needs it. 0 for other sources."""
    file_path = Path(data)
    path = file_path / name if file_path.is_dir() else file_path
    if not time or not path.is_file() or not path.name.lower().endswith(_TABLES):
        return 0.0
    first = next(iter_csv(path, name=path.name, time_columns=[time], only_columns=[time]))
    stated: Any = unit_spelled(first.header.units.get(time, "")) or unit
    return read_clock(first.text[time], column=time, unit=stated, row_name=lambda row: path.name).origin


def _split(stretch: Stretch, recording: Recording, rate: float | None) -> list[Stretch]:
    """Return parts of one session and person without a jump in time: `Watch` begins its windows anew after one."""
    change = np.zeros(max(0, len(stretch.values) - 1), np.bool_)
    if rate:
        steps = np.diff(stretch.time)
        coarse = bool((steps == 0).any()) and bool((steps > 0).any())
        change |= steps > GAP * max(1 / rate, float(steps[steps > 0].min()) if coarse else 0.0)
    for names in (recording.sessions, recording.groups):
        if names is not None:
            change |= names[1:] != names[:-1]
    return [stretch.part(int(a), int(b)) for a, b in pairwise([0, *(np.flatnonzero(change) + 1), len(stretch.values)])]


def _windowed(stretch: Stretch, window: WindowSpec) -> Stretch:
    """Return features of the windows; a window is odd when most of its labelled rows are."""
    windows, starts = cut(stretch.values, window.samples, window.step)
    ends = starts + window.samples - 1
    odd = None
    if stretch.odd is not None:
        sums = np.concatenate([[0], np.cumsum(stretch.odd)])
        odd = 2 * (sums[starts + window.samples] - sums[starts]) > window.samples
    features = window_features(windows) if len(windows) else np.empty((0, 4 * stretch.values.shape[1]), np.float32)
    return Stretch(stretch.name, features, stretch.time[ends] if len(ends) else stretch.time[:0], odd)


def with_limit(watched: Watched, rows: int) -> Watched:
    """At most that many rows, the first of every stretch, equally shared."""
    total = sum(len(s.values) for s in watched.stretches)
    if total <= rows:
        return watched
    share = rows / total
    kept = tuple(s.part(0, max(1, int(len(s.values) * share))) for s in watched.stretches)
    return replace(watched, stretches=kept)


def together(stretches: tuple[Stretch, ...]) -> tuple[Floats, NDArray[np.float64]]:
    """Return what a detector learns from: values without odd rows, and times, of all stretches one after the other."""
    return np.concatenate([s.calm() for s in stretches]), np.concatenate([s.time for s in stretches])


def named(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return columns with their names and units alone."""
    return tuple(msgspec.structs.replace(column, minimum=None, maximum=None) for column in columns)
