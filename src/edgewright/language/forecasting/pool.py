"""Learning recursions on many series: groups of alike ones, each with a ridge recursion that knows no unit and level.

Each series is counted in its seasonal naive error. A recursion is fitted to all series of a group at once, with weights
that sum to 1; then every series goes to the recursion that forecasts its last horizons best, and so on in turn (as
k-means does; Bagirov et al. call it clusterwise regression). Groups of levels and of differences are found apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import decode_versioned
from edgewright.core.errors import FileTooLargeError, ForecasterError
from edgewright.core.files import write_atomic
from edgewright.language.forecasting.backtest import actual, folds_of, naive_error
from edgewright.language.forecasting.linear import PENALTY, lags_for, run, unscaled
from edgewright.monitor.records import POOL_VERSION, ForecastPool, LinearModel, PoolMember
from edgewright.pipeline.cost import Ahead, told_by_first

_DO = "Rebuild it with: edgewright forecast pool FOLDER --season N --horizon N --out FILE"
_LARGEST, _MOST_LAG, _MOST_LAGS, _MOST_MEMBERS, _MOST_HORIZON = 1 << 20, 1 << 20, 64, 12, 10_000


def pool_bytes(pool: ForecastPool) -> bytes:
    """Return the bytes of its file; the same pool gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(pool, order="deterministic"), indent=1) + b"\n"


def write_pool(path: Path, pool: ForecastPool) -> int:
    """Write the file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    data = pool_bytes(pool)
    write_atomic(path, data)
    return len(data)


def is_pool(path: Path) -> bool:
    """Return whether a file begins as a pool does; a forecaster is an archive."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


def read_pool(path: Path) -> ForecastPool:
    """Read and check a file.

    Raises:
        InputError: missing, no pool, of a newer format, or recursions that run away.
    """
    where = str(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise FileTooLargeError(f"at most {_LARGEST >> 20} MB", f"{path.stat().st_size >> 20} MB", where)
        data = path.read_bytes()
    except OSError as error:
        raise ForecasterError("the file of a pool", error.strerror or str(error), where, _DO) from None
    pool = decode_versioned(data, ForecastPool, POOL_VERSION, "pool", "the JSON file of a pool", where, _DO)
    seasons = list(pool.seasons)
    named = all(2 <= s <= _MOST_LAG for s in seasons) and seasons == sorted(set(seasons)) and len(seasons) <= 2
    if not named or not 1 <= pool.horizon <= _MOST_HORIZON or not 1 <= len(pool.members) <= _MOST_MEMBERS:
        raise ForecasterError("seasons in order, a horizon and recursions", "others", where, _DO)
    for member in pool.members:
        lags, weights = list(member.lags), member.weights
        fits = 0 < len(lags) == len(weights) <= _MOST_LAGS and lags == sorted(set(lags))
        if not fits or not 0 < lags[0] <= lags[-1] <= _MOST_LAG or not all(map(math.isfinite, weights)):
            raise ForecasterError("lags in order, one finite weight each", "others", f"{where}, {member.name}", _DO)
        if abs(sum(weights) - 1) > 1e-6:
            raise ForecasterError("weights that sum to 1", f"{sum(weights):g}", f"{where}, {member.name}", _DO)
    return pool


Floats = NDArray[np.float64]
# Groups of levels and of differences, rounds, and origins a horizon: chosen on the training parts of half of M4 hourly,
# judged on those of the other half.
GROUPS, GROUPS_DIFFERENCES, _ROUNDS, _ORIGINS = 8, 4, 6, 2
_PENALTY_DIFFERENCES = 1e-2
# Series that a group needs on average.
_LEAST_SERIES = 3


# Of one series: products of its lags with each other and with what came, a row's mean.
_Sums = tuple[Floats, Floats]


@dataclass(frozen=True)
class _Kind:
    """How the series are seen: lags, the lag that takes the rest of the weights, and whether differences are learnt."""

    lags: tuple[int, ...]
    base: int
    difference: bool


def fit_pool(
    series: Sequence[Floats],
    seasons: tuple[int, ...],
    horizon: int,
    *,
    name: str = "pool",
    ahead: Ahead = lambda _: None,
) -> ForecastPool:
    """Recursions for series that are alike to these.

    Args:
        series: shape (rows,) each, finite, at the same steps; those that are too short for the lags are passed over.
        seasons: ascending; none for none.
        horizon: rows ahead.
        name: for people.
        ahead: gets the estimate of long work, by its first round.

    Raises:
        InputError: no series is long enough.
    """
    lags = lags_for(seasons, 1 << 20)
    minimum = lags[-1] + 1 + len(lags) + 3 * horizon
    usable = [np.asarray(values, np.float64) for values in series if len(values) >= minimum and np.ptp(values) > 0]
    if not usable:
        raise ForecasterError(f"a series of {minimum} rows that changes", "none", "pool")
    unit = seasons[0] if seasons else 1
    scaled = [(values - values.mean()) / naive_error(values, unit) for values in usable]
    base = max((s for s in seasons if s in lags), default=1)
    members: list[PoolMember] = []
    counted = [
        (max(1, min(groups, len(scaled) // _LEAST_SERIES)), kind)
        for groups, kind in ((GROUPS, _Kind(lags, base, False)), (GROUPS_DIFFERENCES, _Kind(lags, base, True)))
    ]
    # A round compares every series with every group.
    work = sum(count * _rounds(count) for count, _ in counted)
    step = told_by_first(lambda _: None, ahead, f"Learning from {len(scaled):,} series", work)
    for count, kind in counted:
        members += _groups(scaled, count, kind, unit, horizon, step)
    return ForecastPool(
        name=name, seasons=seasons, horizon=horizon, members=tuple(members), series=len(usable),
        rows=sum(map(len, usable)),
    )  # fmt: skip


def _rounds(count: int) -> int:
    return _ROUNDS if count > 1 else 1


def _groups(
    scaled: list[Floats], count: int, kind: _Kind, unit: int, horizon: int, step: Callable[[int], None]
) -> list[PoolMember]:
    sums = [_sums(values, kind) for values in scaled]
    random = np.random.default_rng(0)
    weights = [_solved([sums[k]], kind) for k in random.choice(len(scaled), count, replace=False)]
    owners = np.zeros(len(scaled), np.int64)
    for _ in range(_rounds(count)):
        errors = [[_error(values, kind, some, unit, horizon) for some in weights] for values in scaled]
        owners = np.argmin(np.array(errors), axis=1)
        for number in range(count):
            own = [sums[k] for k in np.flatnonzero(owners == number)]
            weights[number] = _solved(own, kind) if own else weights[number]
        step(count)
    scale = "differences" if kind.difference else "levels"
    members = []
    for number, some in enumerate(weights):
        lags, values = _as_levels(kind, some)
        own_count = int((owners == number).sum())
        if own_count:
            name = f"pooled, {scale}, group {number + 1}"
            members.append(PoolMember(name=name, lags=lags, weights=values, series=own_count))
    return members


def _sums(values: Floats, kind: _Kind) -> _Sums:
    z = np.diff(values) if kind.difference else values
    reach = max(kind.lags)
    table = np.stack([z[reach - lag : len(z) - lag] for lag in kind.lags], axis=1)
    target = z[reach:]
    if not kind.difference:
        # Weights that sum to 1: the others are those of the distances to the base.
        ground = table[:, kind.lags.index(kind.base)]
        table = np.delete(table - ground[:, None], kind.lags.index(kind.base), axis=1)
        target = target - ground
    return table.T @ table / len(target), table.T @ target / len(target)


def _solved(sums: Sequence[_Sums], kind: _Kind) -> Floats:
    """Return weights a lag of a group; of levels they sum to 1."""
    gram, moment = (np.sum(some, axis=0) for some in zip(*sums, strict=True))
    share = _PENALTY_DIFFERENCES if kind.difference else PENALTY
    many = len(gram)
    if not many:
        return np.ones(1)
    penalty = max(share * float(np.trace(gram)) / many, 1e-12)
    weights = np.linalg.solve(gram + penalty * np.eye(many), moment)
    return weights if kind.difference else np.insert(weights, kind.lags.index(kind.base), 1 - weights.sum())


def _as_levels(kind: _Kind, weights: Floats) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return a recursion on differences as one on levels: u[t] = u[t-1] + sum(w[k] * (u[t-l] - u[t-l-1]))."""
    if not kind.difference:
        return kind.lags, tuple(weights.tolist())
    by_lag: dict[int, float] = {1: 1.0}
    for lag, weight in zip(kind.lags, weights.tolist(), strict=True):
        by_lag[lag] = by_lag.get(lag, 0.0) + weight
        by_lag[lag + 1] = by_lag.get(lag + 1, 0.0) - weight
    return tuple(sorted(by_lag)), tuple(by_lag[lag] for lag in sorted(by_lag))


def _error(values: Floats, kind: _Kind, weights: Floats, unit: int, horizon: int) -> float:
    """Return mean absolute error over the last horizons of a series, in its seasonal naive error."""
    lags, some = _as_levels(kind, weights)
    folds = folds_of(values, horizon, unit, each=_ORIGINS)
    low, high = float(values.min()), float(values.max())
    model = LinearModel(lags=lags, weights=some, low=2 * low - high, high=2 * high - low)
    origins = folds.origins[folds.origins >= max(lags)]
    if not len(origins):
        return 0.0
    forecasts = unscaled(model, run(model, values, origins, horizon))
    truth = actual(values, replace(folds, origins=origins))
    return float(np.abs(forecasts - truth).mean())
