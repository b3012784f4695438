"""The candidates that a microcontroller can hold, by the seasons of a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edgewright.language.forecasting.linear import PENALTY, Form
from edgewright.schema.forecast import Scale

# Differences have no season of their own to lean on, and more noise: a stronger pull to no change.
_PENALTY_DIFFERENCES = 1e-2
_NO_SEASON = (1, 2, 3, 4, 5, 6, 8, 13)


def lags_for(seasons: Sequence[int], reach: int) -> tuple[int, ...]:
    """Twelve or thirteen lags: the last rows, and what lies a season back with its neighbours.

    With a day of 24 and a week of 168 rows: 1-3, 23-25, 47-49 and 167-169; with a year of 52:
    1-5, its quarters, 51-53 and 104-105. Chosen on the training parts of M4 (docs/adr/0035-forecasting.md).

    Args:
        seasons: ascending; the last two count.
        reach: longest lag that the series carries; longer ones are left out.
    """
    if not seasons:
        wanted: tuple[int, ...] = _NO_SEASON
    elif len(seasons) == 1:
        s = seasons[0]
        wanted = (1, 2, 3, 4, 5, s // 4, s // 2, 3 * s // 4, s - 1, s, s + 1, 2 * s, 2 * s + 1)
    else:
        s, long = seasons[-2:]
        wanted = (1, 2, 3, s - 1, s, s + 1, 2 * s - 1, 2 * s, 2 * s + 1, long - 1, long, long + 1)
    return tuple(sorted({lag for lag in wanted if 0 < lag <= reach})) or (1,)


def forms_for(seasons: Sequence[int], rows: int, *, positive: bool) -> list[Form]:
    """The candidates, the default first.

    Levels come first where two seasons hold a series in place, differences where one or none does: on the training
    parts of M4 the wrong one of the two loses a fifth, and a choice by backtest alone lies between them. Logarithms are
    tried where differences come first: with two seasons they were chosen for one series of a hundred.

    Args:
        seasons: ascending.
        rows: that they will be fitted on.
        positive: whether logarithms exist.
    """
    made: list[Form] = []
    # A regression needs some rows a weight.
    lags = lags_for(seasons, max(1, rows // 2))
    while len(lags) > 1 and rows - lags[-1] - 1 < 3 * len(lags) + 4:
        lags = lags[:-1]
    enough = rows - lags[-1] - 1 >= 3 * len(lags) + 4
    season = max((s for s in seasons if s <= rows // 2), default=1)
    prior = season if season in lags else 1
    order: tuple[Literal[0, 1], ...] = (0, 1) if len(seasons) > 1 else (1, 0)
    scales: tuple[Scale, ...] = ("level", "log") if positive and len(seasons) < 2 else ("level",)
    for difference in order:
        for scale in scales if enough else ():
            what = "differences" if difference else "levels"
            name = f"ridge, {what}{' of logarithms' if scale == 'log' else ''}"
            penalty = _PENALTY_DIFFERENCES if difference else PENALTY
            made.append(Form(name, scale, difference, lags, 0 if difference else prior, True, penalty))
    made += [Form(f"seasonal naive, {s} rows", "level", 0, (s,), s, False) for s in seasons if s <= rows // 2]
    return [*made, Form("naive (the last value)", "level", 1, (), 0, False)]
