"""Seasons of a series, by autocorrelation and by the calendar, unless the backtest is against the calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgewright.language.forecasting.selection import LEAST_ROWS, ForecastRequest, backtest_error

MIN_PEAK = 0.3
# Of differences, which are noisier; and never less than chance gives: 3 deviations of white noise.
LEAST_OF_CHANGES = 0.15
_MAX_LAG = 1024
_ABOVE = 0.05


@dataclass(frozen=True)
class Season:
    """A period of a series.

    Attributes:
        rows: after which it repeats.
        correlation: autocorrelation there, of the detrended values or of their changes.
        of_changes: whether it was found in the changes from row to row.
    """

    rows: int
    correlation: float
    of_changes: bool = False


def autocorrelation(values: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Of the values less their line, at lags 0 to `lags`, by the Fourier transform (Wiener-Khinchin)."""
    rows = len(values)
    x = np.arange(rows) - (rows - 1) / 2
    centred = values - values.mean()
    centred = centred - x * float(x @ centred) / max(float(x @ x), 1.0)
    spectrum = np.abs(np.fft.rfft(centred, 2 * rows)) ** 2
    whole = np.fft.irfft(spectrum, 2 * rows)[: lags + 1]
    # Unbiased: a long lag has fewer pairs.
    whole = whole / np.maximum(rows - np.arange(lags + 1), 1)
    return np.asarray(whole / whole[0] if whole[0] > 0 else np.zeros(lags + 1))


def find_seasons(values: NDArray[np.float64]) -> list[Season]:
    """At most two seasons, ascending; the longer is a multiple of the shorter that repeats better than other multiples.

    A season is a peak of the autocorrelation of at least `MIN_PEAK` that stands above its surroundings, and the series
    must be three of them long.

    A series that wanders has no season in its values: then its changes from row to row are looked at, in which a peak
    of `LEAST_OF_CHANGES` counts.

    Args:
        values: shape (rows,), finite.
    """
    seasons = _seasons(values, MIN_PEAK)
    if seasons:
        return seasons
    changes = _seasons(np.diff(values), max(LEAST_OF_CHANGES, 3 / len(values) ** 0.5))
    return [replace(season, of_changes=True) for season in changes]


def _seasons(values: NDArray[np.float64], minimum: float) -> list[Season]:
    maximum = min(len(values) // 3, _MAX_LAG)
    if maximum < 4 or float(values.std()) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return []
    correlations = autocorrelation(values, maximum + 1)
    peaks = [
        lag
        for lag in range(3, maximum + 1)
        if correlations[lag] >= correlations[lag - 1] and correlations[lag] > correlations[lag + 1]
    ]
    # A smooth series has high values everywhere: a season comes after a valley.
    peaks = [
        lag for lag in peaks if correlations[lag] >= minimum and correlations[lag] - correlations[1:lag].min() >= 0.2
    ]
    if not peaks:
        return []
    best = max(correlations[lag] for lag in peaks)
    first = next(lag for lag in peaks if correlations[lag] >= 0.7 * best)
    seasons = [Season(first, float(correlations[first]))]
    # A week stands out among the days: higher than every other number of days, and than the lowest before it.
    days = {lag: float(correlations[lag]) for lag in range(2 * first, maximum + 1, first)}
    longer = max(days, key=lambda lag: (days[lag], -lag), default=0)
    if longer in peaks and longer > 2 * first and days[longer] - min(days.values()) >= _ABOVE:
        seasons.append(Season(longer, days[longer]))
    return seasons


Floats = NDArray[np.float64]
_DAY_S, _WEEK = 86_400.0, 7
# Rows of a day in usual recordings: every hour, 30, 15, 10, 5 minutes, every minute.
_DAYS = (24, 48, 96, 144, 288, 1440)
# A trend, or few rows, move a peak of the autocorrelation by a 24th of a day, and that of a week by a quarter of a day.
_NEAR, _NEAR_WEEK = 24, 4
_YEAR_OF_WEEKS = 52
# Half a year, one and a half, two: what is found where the year itself is hidden.
_PARTS_OF_A_YEAR = (26, 78, 104)
# A device keeps a float32 for each row of the longest season: 8 kB.
LONGEST = 2048
_FEWEST_IN_A_DAY = 4
# What rows without times often are: hours, half hours, weeks.
_USUAL = ((24, 168), (48, 336), (_YEAR_OF_WEEKS,))
# Seasons other than the first must have this share less error; without times, the usual ones even less.
MARGIN, MARGIN_USUAL = 0.2, 0.3
# Steps of a day, a week, a month and a quarter in days, and the rows after which they repeat.
_LONG_STEPS = ((1.0, 1.0, 7), (7.0, 7.0, _YEAR_OF_WEEKS), (28.0, 31.0, 12), (89.0, 92.0, 4))


@dataclass(frozen=True)
class ChosenSeasons:
    """The seasons of a series.

    Attributes:
        rows: ascending; none for none.
        reason: where they are from, in a sentence.
    """

    rows: tuple[int, ...]
    reason: str


def choose_seasons(values: Floats, horizon: int, step: float = 0.0) -> ChosenSeasons:
    """Choose the seasons of a series.

    A calendar season is taken unless what the autocorrelation shows, the day alone, or no season at all (where only
    the clock speaks for the calendar) is 20 % better in the backtest. Where no clock says what a row is, the usual
    calendars are tried too, and must be 30 % better. The rule was chosen on training parts with whole kinds of series
    left out (docs/research/forecasting.md).

    Args:
        values: shape (rows,), finite.
        horizon: rows ahead.
        step: seconds from row to row; 0 where nobody knows.
    """
    seasons = find_seasons(values)
    shown = tuple(season.rows for season in seasons)
    by_clock = _by_clock(len(values), step)
    calendar = by_clock or _by_rows(shown, len(values))
    first, reason = shown, _words_found(seasons)
    if calendar:
        seen = f"using the period of {' and '.join(map(str, shown))} rows instead"
        first = calendar
        reason = f"season of the calendar: {_rows(calendar)} ({f'every {step:g} s' if by_clock else seen})"
    if len(values) < max(LEAST_ROWS, 3 * horizon):
        return ChosenSeasons(first, reason)
    rivals = dict.fromkeys(_USUAL, MARGIN_USUAL) if not step else {}
    if calendar:
        # A peak beside a day is a day.
        exact = tuple(calendar[0] if _is_near(season, calendar[0]) else season for season in shown)
        rivals |= dict.fromkeys((exact, calendar[:1], *([()] if by_clock else [])), MARGIN)
    return _best_of(values, horizon, ChosenSeasons(first, reason), rivals)


def _best_of(
    values: Floats, horizon: int, first: ChosenSeasons, rivals: Mapping[tuple[int, ...], float]
) -> ChosenSeasons:
    """Return the first, unless rivals are better in the backtest by their margins; the best of these then."""
    usable = {
        seasons: margin
        for seasons, margin in rivals.items()
        if seasons != first.rows and 2 * max(seasons, default=0) <= len(values)
    }
    if not usable:
        return first
    own = backtest_error(values, ForecastRequest(horizon, first.rows))
    errors = {seasons: backtest_error(values, ForecastRequest(horizon, seasons)) for seasons in usable}
    better = [seasons for seasons, margin in usable.items() if errors[seasons] < (1 - margin) * own]
    if not better:
        return first
    best = min(better, key=lambda seasons: errors[seasons])
    why = f"{1 - errors[best] / own:.0%} less error in the backtest than with {_rows(first.rows)}"
    return ChosenSeasons(best, f"season: {_rows(best)}, {why}")


def _by_clock(rows: int, step: float) -> tuple[int, ...]:
    """Return the calendar's seasons at a step in seconds that the series has seen twice."""
    if not step:
        return ()
    of_a_day = _DAY_S / step
    if of_a_day >= _FEWEST_IN_A_DAY and abs(of_a_day - round(of_a_day)) < 1e-6 * of_a_day:
        return _fitting(round(of_a_day), rows)
    days = step / _DAY_S
    year = next((season for low, high, season in _LONG_STEPS if 0.999 * low <= days <= 1.001 * high), 0)
    return (year,) if year and 2 * year <= rows else ()


def _by_rows(shown: Sequence[int], rows: int) -> tuple[int, ...]:
    """Return the calendar's seasons that what was found points to: a day, a week, or a year of weeks."""
    for day in _DAYS:
        if (shown and _is_near(shown[0], day)) or any(
            abs(season - _WEEK * day) <= day // _NEAR_WEEK for season in shown
        ):
            return _fitting(day, rows)
    if rows >= 2 * _YEAR_OF_WEEKS and any(_is_near(season, part) for season in shown for part in _PARTS_OF_A_YEAR):
        return (_YEAR_OF_WEEKS,)
    return ()


def _is_near(rows: int, season: int) -> bool:
    return abs(rows - season) <= max(1, season // _NEAR)


def _fitting(day: int, rows: int) -> tuple[int, ...]:
    """Return a day and its week, as far as the series has seen them twice and a device can hold them."""
    return tuple(season for season in (day, _WEEK * day) if 2 * season <= rows and season <= LONGEST)


def _rows(seasons: Sequence[int]) -> str:
    return f"{' and '.join(map(str, seasons))} rows" if seasons else "no season"


def _words_found(seasons: Sequence[Season]) -> str:
    if not seasons:
        limits = f"{MIN_PEAK:g} in the values or {LEAST_OF_CHANGES:g} in their changes"
        return f"no season found: no peak of the autocorrelation of at least {limits} (set one with --season)"
    where = " of the changes from row to row" if seasons[0].of_changes else ""
    text = " and ".join(f"{season.rows} rows (autocorrelation {season.correlation:.2f}{where})" for season in seasons)
    return f"season found: {text}"
