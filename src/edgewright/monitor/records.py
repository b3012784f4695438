"""Records of anomaly detectors and forecasters."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edgewright.core.records.data import Column, TimeUnit
from edgewright.core.records.package import WindowSpec

DETECTOR_VERSION = 1


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """From where on a score is odd, and what that rests on.

    Attributes:
        value: a score from here on is odd.
        by: 'quantile' of the training scores, 'labels', or 'given' by a person.
        quantile: of the training scores; NaN is never stored, 0 where none was used.
        margin: factor on that quantile.
        false_alarms: alarms a day (or in 1,000 rows, where nobody knows the rate) that the training rows gave.
        per: 'day' or '1000 rows'.
    """

    value: float
    by: Literal["quantile", "labels", "given"]
    quantile: float = 0.0
    margin: float = 1.0
    false_alarms: float = 0.0
    per: Literal["day", "1000 rows"] = "1000 rows"


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """How well one detector did where `auto` compared them.

    Attributes:
        kind: kind of the detector.
        skill: mean over the parts that were held out, 0 to 1.
        low, high: interval of 95 % of that mean.
        bytes: of what it learnt and what it remembers.
        why: a reason why it was left out; empty where it was not.
    """

    kind: str
    skill: float = 0.0
    low: float = 0.0
    high: float = 0.0
    bytes: int = 0
    why: str = ""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """How `auto` chose: by which measure, on what, and what each detector reached."""

    measure: str
    reason: str
    candidates: tuple[Skill, ...] = msgspec.field(name="tried")


class DetectorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`detector.json` of a detector's file; the arrays lie beside it.

    Attributes:
        version: version of the format; a newer one is refused by name.
        kind: a file of `monitor/detectors`.
        config: its settings.
        columns: channels in the order of a row.
        window: rows become windows first, and the detector sees their features; None for rows.
        rate: rows a second; None where nobody knows.
        time: column with the time of a row; empty for none.
        time_unit: of a time in numbers; 'auto' goes by the column's name and its magnitude.
        threshold: from where on a score is odd.
        refractory: rows (windows) after an alarm in which no other is raised; below 1, this share of the
            rows seen, of 20,000 at most.
        learnt: JSON part of what was learnt; `arrays` names the others, a file `arrays/NAME.npy` each.
        rows: that it was fitted on.
        choice: how it was chosen; None when it was named.
    """

    version: int = DETECTOR_VERSION
    kind: str
    config: dict[str, Any]
    columns: tuple[Column, ...]
    window: WindowSpec | None = None
    rate: float | None = None
    time: str = ""
    time_unit: TimeUnit = "auto"
    threshold: Threshold
    refractory: float = 0
    learnt: dict[str, Any] = {}
    arrays: tuple[str, ...] = ()
    rows: int = 0
    choice: Choice | None = None


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
        version: version of the format; a newer one is refused by name.
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


FORECASTER_VERSION = 1
Scale = Literal["level", "log"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One more recursion on the same u, and its share of the forecast; fields as in `LinearModel`."""

    share: float
    lags: tuple[int, ...]
    weights: tuple[float, ...]
    bias: float = 0.0


class LinearModel(msgspec.Struct, frozen=True, kw_only=True):
    """`z[t] = bias + sum(weights[k] * z[t - lags[k]])`, where z is the scaled value or its difference.

    A seasonal naive forecast is one lag with the weight 1; a random walk a difference without lags.

    Attributes:
        scale: 'log' takes the logarithm of the value first, which must then be positive.
        difference: 1 where the recursion runs on `u[t] - u[t-1]`, 0 where on u itself; u is the scaled value.
        centre, spread: u = (value or its logarithm - centre) / spread.
        lags: rows back, ascending, each once.
        weights: one a lag.
        bias: added each step.
        low, high: forecasts of u stay between them (twice the span that was seen): a recursion never runs away.
        others: further recursions whose forecasts are mixed in (where difference is 0); this one has what they leave.
    """

    scale: Scale = "level"
    difference: Literal[0, 1] = 0
    centre: float = 0.0
    spread: float = 1.0
    lags: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    bias: float = 0.0
    low: float = -1e6
    high: float = 1e6
    others: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All recursions with their shares, its own first."""
        share = 1.0 - sum(part.share for part in self.others)
        return (Part(share=share, lags=self.lags, weights=self.weights, bias=self.bias), *self.others)

    @property
    def reach(self) -> int:
        """The longest lag; 0 where there is none."""
        return max((lag for part in self.parts for lag in part.lags), default=0)


class CandidateScore(msgspec.Struct, frozen=True, kw_only=True):
    """How one candidate did in the rolling backtest of the training part.

    Attributes:
        name: such as 'ridge, differences'.
        mase: mean absolute scaled error (scaled by the in-sample seasonal naive error, Hyndman and Koehler 2006).
        smape: symmetric mean absolute percentage error, in per cent, as in the M4 competition; NaN is never stored.
        low, high: interval of 95 % of the MASE, by bootstrap over origins.
        numbers: that it would hold on a device; 0 where it is a referee and has no form there.
        seconds: that fitting and backtesting took.
        device: whether it can be the forecaster of a file.
        why: a reason why it was left out; empty where it was not.
    """

    name: str
    mase: float = 0.0
    smape: float = 0.0
    low: float = 0.0
    high: float = 0.0
    numbers: int = 0
    seconds: float = 0.0
    device: bool = True
    why: str = ""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How often values lay within an interval, on folds later than those it was made from.

    Attributes:
        level: that was asked for, in per cent.
        inside: values within it.
        of: values looked at; 0 where there were too few folds to check.
    """

    level: float
    inside: int = msgspec.field(name="held")
    of: int


class ForecasterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`forecaster.json` of a forecaster's file; `arrays/` holds its state, the widths of its intervals and its test.

    Attributes:
        version: version of the format; a newer one is refused by name.
        name: name of the candidate that was chosen.
        column: whose values it forecasts.
        time: column with the time of a row; empty for none.
        time_unit: of a time in numbers, as [data] has it.
        step: seconds from row to row; 0 where nobody knows.
        last: epoch seconds (or the counter) of the last row it knows; NaN is never stored, 0 where nobody knows.
        seasons: rows after which things repeat.
        horizon: rows ahead.
        levels: of the intervals, in per cent, ascending.
        model: the recursion.
        rows: that it was fitted on; `missing` of them had no value.
        missing: rows without a value.
        candidates: the candidates.
        coverage: one a level.
        reason: why this one was chosen.
        naive: mean absolute in-sample error of the seasonal naive forecast, the unit of MASE.
    """

    version: int = FORECASTER_VERSION
    name: str
    column: str
    time: str = ""
    time_unit: TimeUnit = "auto"
    step: float = 0.0
    last: float = 0.0
    seasons: tuple[int, ...] = ()
    horizon: int
    levels: tuple[float, ...] = ()
    model: LinearModel
    rows: int = 0
    missing: int = 0
    candidates: tuple[CandidateScore, ...] = msgspec.field(default=(), name="tried")
    coverage: tuple[Coverage, ...] = ()
    reason: str = ""
    naive: float = 1.0
