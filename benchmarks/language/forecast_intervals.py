"""How often forecast intervals hold on later rows of M4 (hourly, weekly), ETTh1, counts of people and NAB.

A forecaster is fitted on the first half of a series (of M4's training part); the rows after it, 4,000 at most, are
forecast from one by one. The first two seasons of them are for the intervals to adapt. The step of the adaptation was
chosen on every fourth series of M4, which are left out here. `python -m benchmarks.language.forecast_intervals` prints
every series.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.anomalies.nab import streams
from benchmarks.language.forecast import PARTS, series
from benchmarks.language.row import DATA, Row
from edgewright.language.forecasting.calendar_seasons import choose_seasons
from edgewright.language.forecasting.linear import scaled
from edgewright.language.forecasting.selection import ForecastRequest, fit_forecaster

Floats = NDArray[np.float64]
_HOUR, _LATER, _FEWEST, _EVERY = 3600.0, 4000, 50, 4
WITHIN = 0.05


@dataclass(frozen=True)
class Covered:
    """What the intervals of a series did: shape (levels,) each, of fixed ones (before) and adaptive ones (after).

    Attributes:
        group: which set.
        name: of the series.
        level: of each interval, as a share.
        before, after: shares of values within.
        width: mean width after, in that before.
        score: interval score after (Gneiting and Raftery 2007), in that before; lower is better.
        long: whether the seasons that were left to adapt are the longest, not the shortest.
    """

    group: str
    name: str
    level: Floats
    before: Floats
    after: Floats
    width: Floats
    score: Floats
    long: bool


def _given() -> Iterator[tuple[str, str, Floats, int, float]]:
    """Set, name, values, horizon and seconds from row to row."""
    for part in PARTS:
        for number, values in enumerate(series(part, "train")):
            if number % _EVERY:
                yield f"M4 {part.name.lower()}", str(number), values, part.horizon, part.step
    with gzip.open(DATA / "ett" / "ETTh1.csv.gz", "rt", encoding="utf-8") as file:
        for name, *cells in list(zip(*csv.reader(file), strict=True))[1:]:
            yield "ETTh1", name, np.array(cells, np.float64), 48, _HOUR
    with (DATA / "people-counts" / "calit2.csv").open(encoding="utf-8") as file:
        for name, *cells in list(zip(*csv.reader(file), strict=True))[1:]:
            yield "people", name, np.array(cells, np.float64), 48, _HOUR / 2
    for stream in streams():
        yield "NAB", stream.name, stream.values, 24, float(np.median(np.diff(stream.time)))


def covered() -> Iterator[Covered]:
    """Return every series, after two of its shortest and of its longest seasons where rows are left."""
    for group, name, values, horizon, step in _given():
        start = len(values) // 2
        seasons = choose_seasons(values[:start], horizon, step).rows
        later = values[start : start + _LATER]
        forecaster = fit_forecaster(values[:start], ForecastRequest(horizon, seasons))
        running, model = forecaster.start(), forecaster.spec.model
        gaps, halves = [], []
        for origin in range(len(later) - horizon + 1):
            coming = running.forecast(horizon)
            middle = scaled(model, coming.middle)
            # Where no logarithm exists, nothing holds the value.
            truth = later[origin : origin + horizon]
            known = (truth > 0) | (model.scale == "level")
            gaps.append(np.where(known, np.abs(scaled(model, np.where(known, truth, 1.0)) - middle), np.inf))
            halves.append(scaled(model, coming.high) - middle)
            running.push(float(later[origin]))
        level = np.array(forecaster.spec.levels) / 100
        for season in dict.fromkeys((min(seasons, default=horizon), max(seasons, default=horizon))):
            if len(gaps) >= 2 * season + _FEWEST:
                gap, after = np.array(gaps[2 * season :])[:, None], np.array(halves[2 * season :])
                before = forecaster.widths.astype(np.float64)
                yield _covered(group, name, level, gap, before, after, seasons, season)


def _covered(
    group: str, name: str, level: Floats, gap: Floats, before: Floats, after: Floats, seasons: tuple[int, ...],
    season: int,
) -> Covered:  # fmt: skip
    # Float32 has seven digits: what is forecast exactly is so far off at most.
    slack = 1e-5
    over = [np.minimum(np.maximum(gap - half, 0), 1e6) for half in (before, after)]
    wide = [float("nan")] * 2, [float("nan")] * 2
    scores = []
    for number, half in enumerate((before, after)):
        means = np.broadcast_to(half, after.shape).mean(axis=(0, 2))
        wide[number][:] = means.tolist()
        scores.append(means + over[number].mean(axis=(0, 2)) / (1 - level))
    shares = [(gap <= half + slack).mean(axis=(0, 2)) for half in (before, after)]
    base = np.maximum(np.array(wide[0]), slack)
    return Covered(
        group, name, level, shares[0], shares[1], np.maximum(np.array(wide[1]), slack) / base,
        np.maximum(scores[1], slack) / np.maximum(scores[0], slack), len(seasons) > 1 and season == seasons[-1],
    )  # fmt: skip


def rows() -> list[Row]:
    """Return each set: how many series are within five points."""
    return _rows(list(covered()))


def _rows(every: list[Covered]) -> list[Row]:
    rows = []
    for group, long in dict.fromkeys((item.group, item.long) for item in every):
        items = [item for item in every if (item.group, item.long) == (group, long)]
        season = "longer" if long else "shorter"
        for number, level in enumerate(items[0].level.tolist()):
            before, after = (np.array([getattr(item, key)[number] for item in items]) for key in ("before", "after"))
            width, score = (
                np.exp(np.mean([np.log(getattr(item, key)[number]) for item in items])) for key in ("width", "score")
            )
            near = [np.abs(shares - level) <= WITHIN for shares in (before, after)]
            task = f"{group}, {len(items)} series, {level:.0%} intervals, after two {season} seasons"
            for name, close, shares in (("fixed widths", near[0], before), ("ours, adaptive", near[1], after)):
                ours = shares is after
                rows.append(Row(
                    task, name,
                    f"{close.sum()} of {len(items)} within 5 points; covered {shares.mean():.1%} "
                    f"({shares.min():.0%} to {shares.max():.0%})",
                    f"width {width:.2f}, interval score {score:.2f} of the fixed" if ours else "",
                    "every series" if ours else "", bool(close.all()) if ours else None,
                ))  # fmt: skip
    return rows


def main() -> None:
    """Print every series."""
    for item in covered():
        cells = [f"{share:.3f}" for shares in (item.before, item.after, item.width) for share in shares]
        print(item.group, item.name, "longer" if item.long else "shorter", *cells, sep="\t", flush=True)


if __name__ == "__main__":
    main()
