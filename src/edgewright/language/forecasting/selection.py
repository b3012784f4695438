"""From a series to a forecaster: candidates, the choice, intervals, and the state a device starts with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

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
from edgewright.language.forecasting.baselines import Referee
from edgewright.language.forecasting.linear import Form, forms_for, mixture
from edgewright.monitor.forecaster import ForecasterFile, start_state, with_test
from edgewright.schema.data import TimeUnit
from edgewright.schema.errors import InputError
from edgewright.schema.forecast import CandidateScore, ForecasterSpec, LinearModel

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
        raise InputError(
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
    if referee.why:
        return CandidateScore(name=referee.name, device=False, why=referee.why)
    try:
        return judge_referee(referee.name, referee.forecast, values, folds).score
    except InputError as error:
        return CandidateScore(name=referee.name, device=False, why=str(error))
