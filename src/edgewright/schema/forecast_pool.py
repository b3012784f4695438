"""Recursions learnt on many series, for series that were never seen: a file of JSON."""

from __future__ import annotations

import msgspec

POOL_VERSION = 1


class PoolMember(msgspec.Struct, frozen=True, kw_only=True):
    """One recursion on the values of a series, whatever their unit and level.

    `u[t] = sum(weights[k] * u[t - lags[k]])`; the weights sum to 1 and nothing is added, so that the
    forecasts of a series times a number or plus a number are times or plus it, too.

    Attributes:
        name: for people.
        lags: rows back, ascending, each once.
        weights: one a lag.
        series: that it was learnt on.
    """

    name: str
    lags: tuple[int, ...]
    weights: tuple[float, ...]
    series: int = 0


class ForecastPool(msgspec.Struct, frozen=True, kw_only=True):
    """What `edgewright forecast pool` writes.

    Attributes:
        version: of the format; a newer one is refused by name.
        name: for people.
        seasons: rows after which the series repeat, ascending; a new series must come at the same steps.
        horizon: rows ahead that the series were told apart by.
        members: at least one.
        series, rows: that were learnt from.
    """

    version: int = POOL_VERSION
    name: str
    seasons: tuple[int, ...]
    horizon: int
    members: tuple[PoolMember, ...]
    series: int
    rows: int
