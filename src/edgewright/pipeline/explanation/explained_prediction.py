"""Any prediction layer by layer: a sample of the run's data, of a CSV file, or one that is handed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.csv.rows import Rows, read_csv
from edgewright.core.errors import ColumnMissingError, MissingFileError, RunError, SampleShapeError
from edgewright.core.formatting import number
from edgewright.core.input.recordings import columns_of, names_in, rate_in_training, windows_of
from edgewright.core.input.samples import outside
from edgewright.core.package import read_package
from edgewright.core.predictor import package_path
from edgewright.core.records.data import Column, Floats, Samples
from edgewright.core.records.package import Manifest, RecordingColumns
from edgewright.core.records.trace import Explained
from edgewright.data.load import load_data
from edgewright.data.resampling import refuse_other_rates
from edgewright.data.samples import cut, unit_of
from edgewright.data.targets import encode_target
from edgewright.pipeline.explanation.explain import explain, explained_html
from edgewright.pipeline.material import sha256
from edgewright.pipeline.package.packaging import recording_columns, window_spec
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.pipeline.run_folder.store import StoredPipeline, load_fitted, remembered

CSV_MOST = 10
"""Rows or windows of a file that are traced unless more are asked for."""


@dataclass(frozen=True)
class Explanation:
    """A prediction that was asked for; in a notebook it shows itself."""

    record: Explained

    def _repr_html_(self) -> str | None:
        return explained_html(self.record)


@dataclass(frozen=True)
class Fitted:
    """The fitted stages of a run.

    Attributes:
        name: of the pipeline.
        steps: the model last.
        columns: that arrive, with their declared ranges.
        shape: of one sample.
    """

    name: str
    steps: Sequence[tuple[str, Any]]
    columns: tuple[Column, ...]
    shape: tuple[int, ...]


def fitted_of(folder: Path) -> tuple[StoredPipeline, Fitted]:
    """Return the stored pipeline of a run folder.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if not (folder / "pipeline").is_dir():
        raise RunError(
            "a run folder with its fitted pipeline", "none", str(folder), "Give the folder of a finished run"
        )
    index, steps = load_fitted(folder / "pipeline")
    first = index.stages[0].context if index.stages else None
    columns = index.columns
    if not columns and first is not None:
        columns = tuple(Column(name=n, unit=u) for n, u in zip(first.names, first.units, strict=True))
    shape = tuple(first.shape if first is not None else steps[-1][1].shape_)
    return index, Fitted(index.config.name, steps, columns, shape)


def explain_row(folder: Path, row: int, data: str | None = None) -> Explained:
    """Trace a sample of the run's own data through the fit that was judged, which its page is of.

    Args:
        folder: of the run.
        row: number of the sample, from 1.
        data: where the data lie now; as the run remembers it when None.

    Raises:
        InputError: no such row, no fitted pipeline, or data that cannot be read or have another rate.
    """
    index, fitted = fitted_of(judged_of(folder))
    known = remembered(folder)
    config = index.config
    dataset = load_data(config.data, seed=config.seed, path=data or known.data_location(), mixed_rates=True)
    manifest = _manifest(folder) if data else None
    if manifest is not None:
        refuse_other_rates(dataset, rate_in_training(manifest))
    samples = cut(dataset, config.window)
    samples = msgspec.structs.replace(samples, y=encode_target(samples.y, index.task))
    unit, total = unit_of(samples.X), len(samples.X)
    if not 1 <= row <= total:
        raise RunError(
            f"a {unit} from 1 to {total:,}", f"{row:,}", f"--row {row}", f"The data of {config.name} hold {total:,}"
        )
    notes: tuple[str, ...] = ()
    if known.changed(sha256(samples)):
        since = "are not those of the run" if data else "have changed since the run"
        notes = (f"these data {since}; the {unit} differs from the one in the run",)
    return _explanation(fitted, samples, row - 1, f"{unit} {row:,} of the data", notes)


def explain_csv(folder: Path, csv: Path, maximum: int = CSV_MOST) -> tuple[tuple[Explained, ...], int]:
    """Trace the first rows or windows of a CSV file with the columns of the run.

    Args:
        folder: of the run.
        csv: file with a header line; windows are cut from it as `edgewright predict` does.
        maximum: how many are traced.

    Returns:
        The traced predictions, and how many rows or windows the file holds.

    Raises:
        InputError: columns that are not there, cells that are no numbers, rows at another rate than in training, or
            fewer rows than a window.
    """
    index, fitted = fitted_of(folder)
    if not csv.is_file():
        raise MissingFileError("a CSV file", "no such file", str(csv), "Check the path")
    names = [column.name for column in fitted.columns]
    manifest = _manifest(folder)
    parts = recording_columns(data_plan(index.config), None) if manifest is None else columns_of(manifest)
    extra = names_in(parts)
    rows = read_csv(
        csv, name=csv.name, only_columns=[*names, *extra], text_columns=extra, time_columns=[parts.time],
        trained=fitted.columns,
    )  # fmt: skip
    X, places = _samples(rows, names, index, parts)
    unknown = _unlabelled(X, fitted.columns, csv.name)
    explained = tuple(
        _explanation(fitted, unknown, i, f"{csv.name} {places[i]}", ()) for i in range(min(maximum, len(X)))
    )
    return explained, len(X)


def explain_sample(pipeline: Any, sample: Any) -> Explanation:  # noqa: ANN401 - our pipeline, and anything like an array
    """Trace one sample through a fitted `Pipeline`.

    Raises:
        InputError: for another shape, or a pipeline that is not fitted.
    """
    model = pipeline.steps[-1][1]
    if not hasattr(model, "shape_"):
        raise RunError("a fitted pipeline", "one that is not fitted", do="Call fit, or use Pipeline.load(run)")
    try:
        values = np.asarray(sample, np.float32)
    except (TypeError, ValueError):
        raise RunError("numbers", type(sample).__name__, "sample") from None
    shape = tuple(pipeline.shapes[0]) if pipeline.shapes else tuple(values.shape)
    if values.shape != shape:
        raise SampleShapeError(f"a sample of shape {shape}", f"shape {values.shape}", "sample")
    columns = pipeline.columns or tuple(Column(name=f"x{i}") for i in range(shape[0]))
    unknown = _unlabelled(values[np.newaxis], columns, "")
    name = "pipeline" if pipeline.config is None else pipeline.config.name
    return Explanation(_explanation(Fitted(name, pipeline.steps, columns, shape), unknown, 0, "the sample given", ()))


def _unlabelled(X: Floats, columns: tuple[Column, ...], session: str) -> Samples:
    return Samples(
        X=X,
        y=None,
        groups=None,
        sessions=np.full(len(X), session),
        starts=np.arange(len(X)),
        columns=columns,
        rate=None,
    )  # fmt: skip


def _explanation(fitted: Fitted, samples: Samples, row: int, location: str, notes: tuple[str, ...]) -> Explained:
    """One sample through stages and network."""
    features: Floats = np.asarray(samples.X[row : row + 1], np.float32)
    if features.shape[1:] != fitted.shape:
        raise SampleShapeError(f"samples of shape {fitted.shape}", f"{features.shape[1:]}", location)
    names = tuple(column.name for column in samples.columns)
    for _, stage in fitted.steps[:-1]:
        features = np.asarray(stage.transform(features), np.float32)
        names = tuple(str(name) for name in stage.get_feature_names_out(np.asarray(names, dtype=object)))
    prediction = explain(samples, row, features, fitted.steps[-1][1], feature_names=names)
    return Explained(
        run=fitted.name,
        origin=location,
        prediction=prediction,
        outside=_outside(samples.X[row], fitted.columns),
        notes=notes,
    )


def _outside(sample: Floats, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return a sentence for every column with a value outside its declared range."""
    ranges = tuple((column.name, column.minimum, column.maximum) for column in columns)
    flags = outside(sample[np.newaxis], ranges)[0]
    records = []
    for (name, low, high), flag, values in zip(ranges, flags, sample, strict=True):
        if flag:
            bad = [v for v in np.ravel(values) if (low is not None and v < low) or (high is not None and v > high)]
            limits = f"{number(low) if low is not None else 'any'} to {number(high) if high is not None else 'any'}"
            records.append(f"{name}: {number(float(bad[0]))} is outside the declared range {limits}")
    return tuple(records)


def _manifest(folder: Path) -> Manifest | None:
    """Return what the package of a run says of itself; None where the run was refused."""
    if not any(folder.glob("*.edge")):
        return None
    return read_package(package_path(folder)).manifest


def _samples(
    rows: Rows, names: list[str], index: StoredPipeline, columns: RecordingColumns
) -> tuple[Floats, list[str]]:
    """Return rows or windows of a file, and the place of each."""
    file = rows.name
    absent = [name for name in names if name not in rows.names]
    if absent:
        raise ColumnMissingError(
            f"the columns {', '.join(names)}", f"no {', '.join(absent)}", file, "Add column names in the header"
        )
    values = np.ascontiguousarray(rows.values[:, [rows.names.index(name) for name in names]], np.float32)
    window = index.config.window
    if window is None:
        if not len(values):
            raise RunError("at least one row", "none", file)
        return values, [f"line {line}" for line in rows.lines]
    spec = window_spec(window, None)
    windows, starts = windows_of(values, columns, spec, rows.text, rows)
    if not len(windows):
        raise spec.too_few(f"{len(values):,} rows", file)
    return windows, [f"rows {max(start, begin) + 1:,} to {start + window.samples:,}" for start, begin in starts]
