"""From a series to a forecaster: candidates, the choice, intervals, and the state a device starts with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ForecasterError, InputError, TooFewRowsError
from edgewright.core.records.data import TimeUnit
from edgewright.language.forecasting.backtest import (
    BacktestResult,
    Folds,
    coverage_of,
    folds_of,
    judge,
    judge_mixture,
    judge_model,
    judge_referee,
    wider,
    widths_of,
)
from edgewright.language.forecasting.linear import Form, fit, forms_for, mixture
from edgewright.language.forecasting.series import Referee
from edgewright.monitor.forecaster import ForecasterFile, start_state, with_test
from edgewright.monitor.records import CandidateScore, ForecasterSpec, ForecastPool, LinearModel, Part

Floats = NDArray[np.float64]
LEAST_ROWS = 8
# Shares of a mixture go by the inverse MASE to this power.
SHARPNESS = 3
_TEST_ROWS = 16


@dataclass(frozen=True)
class ForecastRequest:
    """What a forecaster is for.

    Attributes:
        horizon: rows ahead.
        seasons: ascending; none for none.
        levels: of the intervals, in per cent, ascending.
    """

    horizon: int
    seasons: tuple[int, ...] = ()
    levels: tuple[float, ...] = (80.0, 95.0)


@dataclass(frozen=True)
class About:
    """What is known of the rows, as `ForecasterSpec` has it."""

    column: str = "value"
    time: str = ""
    step: float = 0.0
    last: float = 0.0
    missing: int = 0
    time_unit: TimeUnit = "auto"


def fit_forecaster(
    values: Floats,
    request: ForecastRequest,
    *,
    about: About | None = None,
    referees: Sequence[Referee] = (),
) -> ForecasterFile:
    """Return the forecaster of a series, chosen by a rolling backtest within it.

    Args:
        values: shape (rows,), finite: holes are filled before (`series.filled`).
        request: horizon, seasons and levels.
        about: its column and times.
        referees: methods that say what a larger model would reach; they are never the forecaster.

    Raises:
        InputError: fewer rows than three horizons or `LEAST_ROWS`, or none that leaves a fold.
    """
    about = about or About()
    rows = len(values)
    minimum = max(LEAST_ROWS, 3 * request.horizon)
    if rows < minimum:
        longest = max(1, rows // 3)
        do = f"Add rows, or use --horizon {longest}" if rows >= LEAST_ROWS else "Give more rows"
        raise TooFewRowsError(
            f"at least {minimum} rows for a horizon of {request.horizon}", f"{rows}", f"column {about.column}", do
        )
    unit_season = request.seasons[0] if request.seasons else 1
    folds = folds_of(values, request.horizon, unit_season)
    results = _candidates(values, request, folds)
    chosen, reason = choose(results, folds)
    assert chosen.fit is not None  # noqa: S101 - only candidates of the device are chosen
    model = chosen.fit(values)
    far = wider(values, folds)
    if far.start > folds.start - request.horizon or model.reach + 4 * len(model.lags) + 8 >= far.start:
        far, residuals = folds, chosen.residuals
    else:
        residuals = judge_model(chosen.score.name, chosen.fit(values[: far.start]), values, far).residuals
    scores = [result.score for result in results] + [_referee(result, values, folds) for result in referees]
    scores.sort(key=lambda score: (bool(score.why), score.mase))
    return finished(
        values, model, request, about, scores, reason, replace(far, unit=folds.unit), residuals, chosen.score.name
    )


def finished(
    values: Floats, model: LinearModel, request: ForecastRequest, about: About, scores: Sequence[CandidateScore],
    reason: str, folds: Folds, residuals: Floats, name: str,
) -> ForecasterFile:  # fmt: skip
    """Return the forecaster of a model, with intervals and their coverage by the residuals of some folds.

    Args:
        values: of the series, shape (rows,).
        model: that is taken.
        request: horizon, seasons and levels.
        about: column and times.
        scores: scores of all candidates.
        reason: why this one, as a sentence.
        folds: of the residuals.
        residuals: shape (folds, horizon), in the model's own scale.
        name: name of the candidate.
    """
    spec = ForecasterSpec(
        name=name, **asdict(about), seasons=request.seasons, horizon=request.horizon, levels=request.levels,
        model=model, rows=len(values), candidates=tuple(scores), reason=reason,
        coverage=coverage_of(residuals, folds.origins, request.levels), naive=folds.unit,
    )  # fmt: skip
    widths = widths_of(residuals, request.levels).astype(np.float32)
    return with_test(spec, start_state(model, values), widths, values[-_TEST_ROWS:])


def backtest_error(values: Floats, request: ForecastRequest) -> float:
    """Return mean absolute error of the candidate that is chosen in the backtest, in units of the column."""
    folds = folds_of(values, request.horizon, 1)
    return choose(_candidates(values, request, folds), folds)[0].score.mase * folds.unit


def choose(results: Sequence[BacktestResult], folds: Folds) -> tuple[BacktestResult, str]:
    """Choose a candidate by the one-standard-error rule (Breiman et al., 1984).

    The default stays unless its error is more than one standard error above the lowest one. Then the simplest
    candidate is chosen that is within one standard error of the lowest and better than the default by more than one.
    Candidates become more complex from the naive forecast over seasonal naive forecasts to fitted ones.

    Args:
        results: candidates, the default first, all on the same folds.
        folds: origins and horizon of the backtest.

    Returns:
        The candidate and the reason, as a sentence.
    """
    default, best = results[0], min(results, key=lambda result: result.score.mase)
    if best is default:
        return default, f"{default.score.name} has the lowest MASE"
    if _is_close(default, best, folds):
        return default, f"the default; its MASE is within one standard error of the lowest, that of {best.score.name}"
    simplest = next(
        result
        for result in _by_simplicity(results)
        if _is_close(result, best, folds) and not _is_close(default, result, folds)
    )
    if simplest is best:
        return best, f"its MASE is the lowest, more than one standard error below that of {default.score.name}"
    return simplest, f"the simplest candidate within one standard error of the lowest MASE, that of {best.score.name}"


def _by_simplicity(results: Sequence[BacktestResult]) -> list[BacktestResult]:
    """Return the candidates ordered by what is fitted, then by rows that they look back; a mixture is last."""

    def complexity(result: BacktestResult) -> tuple[bool, bool, int]:
        form = result.form
        if form is None:
            return True, True, 0
        # Fitted candidates look back the same number of rows and keep their order.
        return False, form.fitted, 0 if form.fitted else form.reach

    return sorted(results, key=complexity)


def _is_close(result: BacktestResult, best: BacktestResult, folds: Folds) -> bool:
    """Return whether the mean difference of the errors is at most one standard error."""
    difference = result.errors - best.errors
    # Folds overlap: only forecasts that share no row are independent.
    independent = 1 + (int(folds.origins[-1]) - int(folds.origins[0])) / folds.horizon
    return bool(difference.mean() <= difference.std() / independent**0.5)


def _candidates(values: Floats, request: ForecastRequest, folds: Folds) -> list[BacktestResult]:
    forms: list[Form] = forms_for(request.seasons, folds.start, positive=bool((values > 0).all()))
    results = [judge(form, values, folds) for form in forms if form.reach < folds.start]
    results = [result for result in results if np.isfinite(result.errors).all()]
    mixed = _mixture(results, values, folds)
    return results if mixed is None else [mixed, *results]


def _mixture(results: Sequence[BacktestResult], values: Floats, folds: Folds) -> BacktestResult | None:
    """Return the candidates on plain values, mixed by the backtest; None where levels are not the default."""
    first = results[0].form
    if first is None or first.difference or not first.fitted:
        return None
    some = [
        result for result in results if result.form is not None and result.form.scale == "level" and result.form.lags
    ]
    shares, forecasts = mixed(some)
    forms = [
        (result.form, share) for result, share in zip(some, shares.tolist(), strict=True) if result.form is not None
    ]
    # A recursion on differences has a weight more a lag once it is one on levels, at most.
    numbers = sum(len(form.lags) * (1 + form.difference) + form.difference + 2 for form, _ in forms)
    spread = float(values[: folds.start].std()) or 1.0
    result_of_mixture = judge_mixture("mixture", forecasts, values, folds, spread, numbers=numbers)
    return replace(result_of_mixture, fit=partial(mixture, forms))


def mixed(results: Sequence[BacktestResult]) -> tuple[Floats, Floats]:
    """Return the shares of candidates by their inverse MASE, shape (n,), and their mixture: (folds, horizon)."""
    sizes = np.array([result.score.mase for result in results])
    sizes = np.maximum(np.where(np.isfinite(sizes), sizes, 1e12), 1e-12)
    weights = (sizes.min() / sizes) ** SHARPNESS
    shares = np.asarray(weights / weights.sum())
    parts = zip(shares, results, strict=True)
    return shares, np.asarray(sum(share * result.forecasts for share, result in parts if result.forecasts is not None))


def _referee(referee: Referee, values: Floats, folds: Folds) -> CandidateScore:
    try:
        return judge_referee(referee.name, referee.forecast, values, folds).score
    except InputError as error:
        return CandidateScore(name=referee.name, device=False, why=str(error))


def adopt_pool(
    pool: ForecastPool, values: Floats, request: ForecastRequest, *, about: About | None = None
) -> ForecasterFile:
    """Return a forecaster of a series with the weights of a pool: none is fitted to it.

    Of the series come only its mean and spread (units), how much of each recursion is mixed in (by the inverse MASE of
    a rolling backtest, as `choose` mixes what it fitted) and the widths of the intervals. Seasonal naive forecasts take
    part in the mixture.

    Args:
        pool: as read.
        values: shape (rows,), finite.
        request: horizon, seasons and levels; the seasons of the pool where it has none.
        about: its column and times.

    Raises:
        InputError: fewer rows than three horizons, or other seasons than the pool's.
    """
    about = about or About()
    minimum = max(LEAST_ROWS, 3 * request.horizon)
    if len(values) < minimum:
        raise TooFewRowsError(f"at least {minimum} rows for a horizon of {request.horizon}", str(len(values)),
                         f"column {about.column}", "Give more rows")  # fmt: skip
    seasons = request.seasons or pool.seasons
    if seasons != pool.seasons:
        text = ", ".join(map(str, pool.seasons)) or "none"
        got = ", ".join(map(str, seasons))
        raise ForecasterError(
            f"a series with the seasons of the pool, {text}", got, f"pool {pool.name}", f"--season {text}"
        )
    request = replace(request, seasons=seasons)
    folds = folds_of(values, request.horizon, seasons[0] if seasons else 1)
    base = fit(Form("pooled", fitted=False), values)
    models = [(name, model) for name, model in _pretrained_candidates(pool, base) if model.reach + 1 < folds.start]
    # A series too short for the shortest season has the last value alone.
    models = models or [("naive (the last value)", msgspec.structs.replace(base, lags=(1,), weights=(1.0,), bias=0.0))]
    results = [judge_model(name, model, values, folds, numbers=len(model.weights)) for name, model in models]
    shares, forecasts = mixed(results)
    others = tuple(
        Part(share=float(share), lags=model.lags, weights=model.weights)
        for (_, model), share in zip(models[1:], shares[1:], strict=True)
    )
    model = msgspec.structs.replace(models[0][1], others=others)
    numbers = sum(len(part.weights) + 1 for part in model.parts)
    first = judge_mixture("pooled mixture, not fitted here", forecasts, values, folds, model.spread, numbers=numbers)
    far = wider(values, folds)
    far = replace(far, origins=far.origins[far.origins > model.reach])
    final = judge_model(first.score.name, model, values, far) if len(far.origins) > len(folds.origins) else first
    used = far if final is not first else folds
    scores = sorted([first.score, *(result.score for result in results)], key=lambda result: result.mase)
    reason = f"its recursions come from {pool.series:,} other series; this series sets only their weights"
    used = replace(used, unit=folds.unit)
    return finished(values, model, request, about, scores, reason, used, final.residuals, first.score.name)


def _pretrained_candidates(pool: ForecastPool, base: LinearModel) -> list[tuple[str, LinearModel]]:
    """Return the recursions in the units of a series, and its seasonal naive forecasts."""
    recursions = [
        (member.name, msgspec.structs.replace(base, lags=member.lags, weights=member.weights, bias=0.0))
        for member in pool.members
    ]
    naive = [
        (f"seasonal naive, {s} rows", msgspec.structs.replace(base, lags=(s,), weights=(1.0,), bias=0.0))
        for s in pool.seasons
    ]
    return recursions + naive


def adopt(model: LinearModel, values: Floats, request: ForecastRequest, *, name: str, about: About) -> ForecasterFile:
    """Return a forecaster with the weights of another; only its centre and spread come from the series.

    Args:
        model: of another forecaster.
        values: shape (rows,), finite.
        request: horizon, seasons and levels.
        name: name of the model, for people.
        about: its column and times.

    Raises:
        InputError: fewer rows than the recursion reaches back and a horizon more, or logarithms of what has none.
    """
    minimum = model.reach + model.difference + request.horizon + 1
    if len(values) < minimum:
        raise TooFewRowsError(f"at least {minimum} rows for this recursion", str(len(values)), "pooled forecaster")
    if model.scale == "log" and not (values > 0).all():
        raise ForecasterError("values above 0 for a recursion on logarithms", "others", "pooled forecaster")
    own = fit(Form(name, model.scale, model.difference, (), 0, fitted=False), values)
    mine = msgspec.structs.replace(own, lags=model.lags, weights=model.weights, bias=model.bias, others=model.others)
    folds = folds_of(values, request.horizon, request.seasons[0] if request.seasons else 1)
    reach = model.reach + model.difference
    # Nothing is fitted, so every origin that the recursion reaches is one it has not seen.
    folds = replace(folds, origins=folds.origins[folds.origins >= reach])
    result = judge_model(f"{name}, not fitted here", mine, values, folds)
    reason, score = "its recursion comes from other series", result.score
    return finished(values, mine, request, about, [score], reason, folds, result.residuals, score.name)
