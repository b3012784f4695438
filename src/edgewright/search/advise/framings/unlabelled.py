"""Readings without classes: anomaly detection (with or without labels), forecasting, or clustering."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.data.load import guess, load_data
from edgewright.data.roles import NAMED_IGNORED
from edgewright.data.table_proposal import propose_table
from edgewright.language.forecasting.calendar_seasons import choose_seasons, find_seasons
from edgewright.language.forecasting.selection import ForecastRequest as Forecasting
from edgewright.language.forecasting.selection import fit_forecaster
from edgewright.language.forecasting.series import Series, filled, read_series
from edgewright.pipeline.cost.duration_estimate import Ahead, Progress
from edgewright.schema.advice import Existing, Flip, Frame
from edgewright.schema.data import DataSet
from edgewright.schema.detector import Choice
from edgewright.schema.errors import EdgewrightError, InputError, UnknownNameError
from edgewright.search.advise.c_footprints import Price, detector_price, forecaster_price
from edgewright.search.advise.contract import AdviceRequest, Framing, FramingResult, capabilities
from edgewright.search.advise.inspection import Inspection
from edgewright.workflows.detection.fit import configured, learn
from edgewright.workflows.detection.rows import Watched, read_watched, with_limit
from edgewright.workflows.detection.selection import choose
from edgewright.workflows.detection.threshold import ThresholdRequest as Limits

_SAMPLED_ROWS, _KINDS = 1000, range(2, 7)
# Minimum mean silhouette of separate clusters: 'a reasonable structure' in Kaufman and Rousseeuw (1990).
MIN_SILHOUETTE = 0.5


def find_clusters(values: NDArray[np.float32], seed: int) -> tuple[int, float]:
    """Return the number of clusters, 0 where none are separate, and the best silhouette.

    Args:
        values: shape (rows, columns); rows with missing values are dropped, and columns are standardised.
        seed: random seed of the row sample and of k-means.
    """
    known = values[np.isfinite(values).all(axis=1)].astype(np.float64)
    if len(known) < 30:
        return 0, 0.0
    rng = np.random.default_rng(seed)
    some = known[np.sort(rng.permutation(len(known))[:_SAMPLED_ROWS])]
    spread = some.std(axis=0)
    some = (some - some.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    if not some.shape[1] or len(np.unique(some, axis=0)) <= max(_KINDS):
        return 0, 0.0
    with threadpool_limits(1):
        scores = {
            k: float(silhouette_score(some, KMeans(k, n_init=3, random_state=seed).fit_predict(some))) for k in _KINDS
        }
    best = max(scores, key=lambda k: scores[k])
    return (best if scores[best] >= MIN_SILHOUETTE else 0), scores[best]


FEWEST = 30
# Maximum number of rows for the comparison of detectors and forecasters; `detect fit` and `forecast` use all rows.
MAX_ROWS = 6000


@dataclass(frozen=True)
class Rows:
    """Data set, name of the time column, excluded columns with reasons, and index of the main column."""

    dataset: DataSet
    time: str
    left_out: tuple[tuple[str, str], ...]
    first: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.dataset.columns)

    @property
    def name(self) -> str:
        """Name of the main column: the column to forecast, or the first one."""
        return self.names[self.first]

    @property
    def values(self) -> NDArray[np.float32]:
        """Values of all recordings, concatenated."""
        return np.concatenate([recording.values for recording in self.dataset.recordings])


def read_rows(seen: Inspection, request: AdviceRequest) -> Rows:
    """Read the rows; the target is the column of anomaly labels, or the column to forecast.

    Raises:
        InputError: the rows cannot be read.
        UnknownNameError: no numeric column has the name of the target.
    """
    labels = request.target if request.task == "anomaly" else ""
    named = {"group": request.group, "session": request.session, "time": request.time,
             "time_unit": request.time_unit, "target": labels,
             "ignore": request.ignore, "skip_bad_rows": request.skip_bad_rows}  # fmt: skip
    numbers = {request.target} - set(seen.words)
    proposed = propose_table(request.data, named, request.kind, texts=False, kept=numbers)
    left = [(name, why) for name, why in proposed.roles.ignored.items() if why != NAMED_IGNORED]
    time = str(proposed.table.get("time", ""))
    dataset = load_data(proposed.table, seed=request.seed)
    names = [column.name for column in dataset.columns]
    if request.target and not labels and request.target not in names:
        raise UnknownNameError("column of numbers", request.target, names, "--target")
    return Rows(dataset, time, tuple(left), names.index(request.target) if request.target and not labels else 0)


def _interpolated(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    return np.interp(np.arange(len(values)), np.flatnonzero(known), values[known])


def season_of(rows: Rows) -> int:
    """Return the season of the main column in rows; 0 where it has none, or the rate is unknown."""
    if rows.dataset.rate is None:
        return 0
    first = rows.dataset.recordings[0].values[:MAX_ROWS, rows.first].astype(np.float64)
    if np.isfinite(first).sum() < FEWEST:
        return 0
    seasons = find_seasons(_interpolated(first))
    return int(seasons[0].rows) if seasons else 0


_HORIZON = 12
ROBUST = "robust"


def _fits(seen: Inspection, request: AdviceRequest) -> bool:
    if request.target:  # column of anomaly labels, or the column to forecast
        return seen.location is not None and request.task in ("anomaly", "forecasting")
    return seen.location is not None and request.task not in ("classification", "regression")


def _advise(seen: Inspection, request: AdviceRequest, progress: Progress, ahead: Ahead) -> FramingResult:
    with progress("Reading data", None):
        rows = read_rows(seen, request)
    count = len(rows.values)
    if count < FEWEST:
        raise InputError(f"at least {FEWEST} rows", str(count), request.data, "Record more")
    season = season_of(rows)
    with progress("Clustering rows", None):
        kinds, separation = find_clusters(rows.values, request.seed)
    task, why = _task(rows, request, season, kinds, separation)
    could = ", ".join(seen.few_valued())
    notes = (
        (f"no --target is set; columns with few values that could be one: {could}",)
        if could and not request.target
        else ()
    )
    first = _Analysis(rows, request, task, why, season, kinds, separation, progress, ahead, notes)
    return {"anomaly": _anomaly, "forecasting": _forecasting, "clustering": _clustering}[task](first)


@dataclass(frozen=True)
class _Analysis:
    """Rows with the request, the results of the first analysis, and the progress callbacks."""

    rows: Rows
    request: AdviceRequest
    task: str
    why: tuple[str, ...]
    season: int
    kinds: int
    separation: float
    progress: Progress
    ahead: Ahead
    notes: tuple[str, ...]

    def framing_result(self, commands: Sequence[str], **more: Any) -> FramingResult:  # noqa: ANN401 - fields of `FramingResult`
        """Return the result of the framing with the next commands."""
        rows, printed = self.rows, tuple(commands)
        frame = Frame(
            task=self.task, why=self.why, capabilities=capabilities(), commands=printed, left_out=rows.left_out
        )
        return FramingResult(
            name=rows.dataset.name, frame=frame, columns=rows.names, rate=rows.dataset.rate, commands=printed,
            notes=self.notes, **more,
        )  # fmt: skip


def _task(rows: Rows, request: AdviceRequest, season: int, kinds: int, gap: float) -> tuple[str, tuple[str, ...]]:
    """Return the task and the reasons."""
    rate = rows.dataset.rate
    lines = [
        "no target is set, so there are no correct answers to learn" if not request.target else
        f"{request.target} marks the anomalous rows" if request.task == "anomaly" else
        f"{request.target} is to be forecast"
    ]  # fmt: skip
    if rate is not None:
        lines.append(f"rows are in time order, one every {1 / rate:.4g} s")
        lines.append(f"the column {rows.name} repeats every {season} rows" if season else
                    f"the column {rows.name} shows no season")  # fmt: skip
    lines.append(
        f"rows form {kinds} clusters (silhouette {gap:.2f})" if kinds else
        f"rows form no separate clusters (best silhouette {gap:.2f})"
    )  # fmt: skip
    if request.task != "auto":
        return request.task, (*lines, f"--task {request.task} is set")
    if rate is None and kinds:
        return "clustering", (*lines, "without time or labels, only separate clusters can be found")
    return "anomaly", (
        *lines,
        "normal rows can be learned without labels; rows that differ are anomalies",
    )


def _anomaly(seen: _Analysis) -> FramingResult:
    rows, request = seen.rows, seen.request
    choice: Choice | None = None
    reason = ""
    ignored = tuple(name for name, _ in rows.left_out)
    price: Price = lambda _: None  # noqa: E731 - replaced by that of a detector
    with seen.progress("Detectors on labelled rows" if request.target else "Detectors on injected anomalies", None):
        try:
            watched = with_limit(read_watched(request.data, kind=request.kind, target=request.target, time=rows.time,
                                              ignore=(*request.ignore, *ignored)), MAX_ROWS)  # fmt: skip
            price = _detector(ROBUST, watched)
            choice = choose(watched, Limits(), seen.ahead)
            price = _detector(choice.candidates[0].kind, watched)
        except EdgewrightError as error:
            reason = str(error)
    fit = f"edgewright detect fit {_common(rows, request)} --out normal.detector"
    if choice is None:
        fit += f" --detector {ROBUST}"  # there are too few rows to compare detectors
    kind = request.kind or guess(request.data)["kind"]
    rows_file = request.data if kind == "csv" and Path(request.data).is_file() else "new.csv"
    commands = [fit, f"edgewright detect run normal.detector --csv {shlex.quote(rows_file)}",
                "edgewright detect c99 normal.detector --out firmware"]  # fmt: skip
    measured, name, text = _choice_texts(choice, reason)
    flips = [] if request.target else [
        Flip(
            when="with some anomalous rows labelled (--target), even a few",
            then="true events then score the detectors, and their costs set the threshold: edgewright tune",
        )
    ]  # fmt: skip
    if seen.season:
        commands.append(_forecast(rows, request, seen.season))
        flips.append(
            Flip(
                when="if you need a forecast (--task forecasting)",
                then=f"a forecaster is measured instead: {rows.name} repeats every {seen.season} rows",
            )
        )
    return seen.framing_result(
        commands,
        target=request.target,
        changes=min(1.0, (1.0 / 86_400.0) / rows.dataset.rate) if rows.dataset.rate else 1.0,
        changes_how="only alarms are sent; one false alarm a day is accepted",
        existing=_limits(rows),
        measured=measured,
        choice=name,
        choice_why=text,
        price=price,
        curve_note="not measured for detectors"
        if request.target
        else "not measured: scoring a detector on true events needs labels",
        flips=tuple(flips),
        costs=(("labels", f"those in {request.target}" if request.target else "none"),),
    )


def _detector(name: str, watched: Watched) -> Price:
    """Fit a detector on these rows and return its footprint function."""
    return detector_price(
        name, learn(name, configured(name, {}), watched.stretches), tuple(c.name for c in watched.columns)
    )


def _choice_texts(choice: Choice | None, reason: str) -> tuple[tuple[tuple[str, str], ...], str, str]:
    """Return the results of the detectors, the chosen one, and the reason."""
    if choice is None:
        return (("detectors", f"not compared: {reason}"),), ROBUST, "the simplest detector: median and spread"
    reported = tuple(
        (result.kind, f"left out: {result.why}" if result.why else
         f"F1 {result.skill:.2f} ({result.low:.2f} to {result.high:.2f}), {result.bytes:,} bytes")
        for result in choice.candidates
    )  # fmt: skip
    return reported, choice.candidates[0].kind, f"{choice.reason}; {choice.measure}"


def _limits(rows: Rows) -> tuple[Existing, ...]:
    """Return the solution without learning: fixed limits for each column."""
    low, high = np.nanquantile(rows.values.astype(np.float64), [0.001, 0.999], axis=0)
    some = "; ".join(f"{n} outside {a:.4g} to {b:.4g}" for n, a, b in
                     list(zip(rows.names, low, high, strict=True))[:4])  # fmt: skip
    return (
        Existing(
            name="one limit per column",
            purpose=f"{some}: fixed rules on the device, no training",
            measured="2 of 1,000 rows are outside in each column (limits are the 0.1 % and 99.9 % quantiles)",
        ),
    )


def _forecasting(seen: _Analysis) -> FramingResult:
    rows, request = seen.rows, seen.request
    horizon = seen.season or _HORIZON
    series = _series(rows, request)
    if series is None:
        values = rows.dataset.recordings[0].values[-MAX_ROWS:, rows.first].astype(np.float64)
        values = _interpolated(values)
    else:
        values = filled(series, 1)[0].values[-MAX_ROWS:]
    horizon = max(1, min(horizon, len(values) // 6))
    with seen.progress("Forecasters, backtested", None):
        # Use the seasons that the `forecast` command printed below would choose.
        step = series.step if series is not None else 1 / rows.dataset.rate if rows.dataset.rate else 0.0
        fitted = fit_forecaster(
            values, Forecasting(horizon=horizon, seasons=choose_seasons(values, horizon, step).rows)
        )
    spec = fitted.spec
    command = _forecast(rows, request, horizon)
    commands = (command, "edgewright forecast run next.forecaster --csv live.csv",
                "edgewright export next.forecaster --to c99 --out firmware")  # fmt: skip
    measured = tuple(
        (
            result.name,
            f"left out: {result.why}"
            if result.why
            else f"MASE {result.mase:.3f} ({result.low:.3f} to {result.high:.3f})",
        )
        for result in spec.candidates
    )
    return seen.framing_result(
        commands,
        target=rows.name,
        rows_an_answer=float(horizon),
        changes_how="every forecast is sent, one per horizon",
        existing=(Existing(name="the value one season ago", purpose="no training; MASE 1 means as good as this"),),
        measured=measured,
        choice=spec.name,
        choice_why=spec.reason,
        price=forecaster_price(fitted),
        curve_note="not measured for forecasters",
    )


def _clustering(seen: _Analysis) -> FramingResult:
    rows, request = seen.rows, seen.request
    kinds, separation = seen.kinds, seen.separation
    fit = f"edgewright detect fit {_common(rows, request)} --detector k_means --out kinds.detector"
    commands = (fit, "edgewright label --help", f"edgewright advise {shlex.quote(request.data)} --target LABEL")
    count = f"{kinds} clusters" if kinds else "no separate clusters"
    return seen.framing_result(
        commands,
        target="",
        existing=_limits(rows),
        measured=(("k-means", f"{count}, silhouette {separation:.2f} (1: far apart, 0: overlapping)"),),
        choice="distances to k-means centres",
        choice_why=f"{count} were found; once a person names them, the task is classification",
        curve_note="not measured: there are no labels",
        flips=(Flip(when="once the clusters have names (--target)", then="the ladder compares classifiers"),),
        costs=(("labels", "none; one name per cluster"),),
    )


def _common(rows: Rows, request: AdviceRequest) -> str:
    """Return the data and column options for `detect fit`."""
    parts = [shlex.quote(request.data)]
    parts += [f"--time {shlex.quote(rows.time)}"] if rows.time else []
    parts += [f"--kind {request.kind}"] if request.kind else []
    parts += [f"--target {shlex.quote(request.target)}"] if request.target else []
    ignored = (*request.ignore, *(name for name, _ in rows.left_out))
    return " ".join([*parts, *(f"--ignore {shlex.quote(name)}" for name in ignored)])


def _series(rows: Rows, request: AdviceRequest) -> Series | None:
    """Read the main column like the `forecast` command; return None where that command cannot read the data."""
    try:
        return read_series(request.data, column=rows.name, time=rows.time, resample=None)
    except InputError:
        return None


def _forecast(rows: Rows, request: AdviceRequest, season: int) -> str:
    time = f" --time {shlex.quote(rows.time)}" if rows.time else ""
    series = _series(rows, request)
    if series is not None and series.resampled:
        time += f" --resample {series.resampled:g}"
    column = shlex.quote(rows.name)
    return (f"edgewright forecast {shlex.quote(request.data)} --column {column}{time} --horizon {season or _HORIZON} "
            "--out next.forecaster")  # fmt: skip


FRAMING = Framing(rank=60, tasks=("anomaly", "forecasting", "clustering"), fits=_fits, advise=_advise)
