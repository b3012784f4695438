"""`reorder`: the stock at which to order again, and whether it was enough as often as asked."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.jobs.series import JobSeries, SeriesConfig, read_job_series
from edgewright.jobs.steps import Step, Work
from edgewright.language.forecasting.reorder import Served, served
from edgewright.schema.job import JobChart, JobCurve, JobFigure, StepRecord
from edgewright.training.metrics import SHARE, group_interval


class Config(SeriesConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A re-order point; `horizon` is the lead time in rows.

    Attributes:
        service: share of lead times, in per cent, in which nothing is to be sold out.
    """

    service: Annotated[float, msgspec.Meta(gt=0, lt=100)] = 90.0


def _reorder(config: Config, work: Work) -> StepRecord:
    with work.listener.doing("Ordering"):
        series = read_job_series(config, work)
        found = served(series.values, series.start, series.request, config.service / 100)
    blocks = (found.origins - series.start) // max([1, *series.request.seasons])
    enough = found.served
    share = group_interval(blocks, lambda rows: float(enough[rows].mean()), by="season", within=SHARE)
    over = found.points - found.demand.came
    return StepRecord(
        command=f"edgewright forecast reorder DATA.csv --column {series.column} --lead {config.horizon} "
        f"--service {config.service:g} --judge {config.judge}",
        says=(
            f"Lead time {config.horizon} rows, {config.service:g} % of lead times to be served. {len(enough):,} lead "
            f"times that overlap, in {len(np.unique(blocks))} seasons that chose nothing.",
        ),
        figures=(
            JobFigure(name="service", title="lead times served", value=share.value, interval=share),
            JobFigure(name="gap", title=f"distance from the {config.service:g} % asked for",
                      value=abs(share.value - config.service / 100)),
            JobFigure(name="stock", title="re-order point, mean", value=float(found.points.mean()), unit="1"),
            JobFigure(name="demand", title="demand, mean", value=float(found.demand.came.mean()), unit="1"),
            JobFigure(name="left", title="left at the end, mean", value=float(over[enough].mean()), unit="1"),
        ),
        charts=(_chart(series, found),),
    )  # fmt: skip


def _chart(series: JobSeries, found: Served) -> JobChart:
    unit, rows = series.unit
    times = ((found.origins - series.start) / rows).tolist()
    return JobChart(
        title=f"{series.column} over a lead time", x_title=f"{unit} since the first row that judges",
        curves=tuple(
            JobCurve(name=name, points=tuple(zip(times, values.tolist(), strict=True)))
            for name, values in (("came", found.demand.came), ("re-order point", found.points))
        ),
        label="What was asked for in the lead time after each row, and the re-order point there",
    )  # fmt: skip


STEP = Step(Config, "When to order again", _reorder)
