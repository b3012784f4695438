"""`reorder`: the stock at which to order again, and whether it was enough as often as asked."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.jobs.group_figures import share_of
from edgewright.jobs.steps import Step, Work
from edgewright.jobs.steps.forecast import JobSeries, SeriesConfig, read_job_series
from edgewright.language.forecasting.reorder import Served, served
from edgewright.schema.job import JobChart, JobCurve, JobFigure, Mark, StepRecord, Stretch, Timeline

# Lead times that the shelf is drawn for.
_LEADS = 14


class Config(SeriesConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A re-order point; `horizon` is the lead time in rows.

    Attributes:
        service: share of lead times, in per cent, in which nothing is to be sold out.
    """

    service: Annotated[float, msgspec.Meta(gt=0, lt=100)] = 90.0


def _reorder(config: Config, work: Work) -> StepRecord:
    with work.listener.doing("Ordering"):
        series = read_job_series(config, work)
        service = served(series.values, series.start, series.request, config.service / 100)
    blocks = (service.origins - series.start) // max([1, *series.request.seasons])
    enough = service.served
    share = share_of("service", "lead times served", enough, blocks, "season")
    over = service.points - service.demand.came
    return StepRecord(
        command=f"edgewright forecast reorder DATA.csv --column {series.column} --lead {config.horizon} "
        f"--service {config.service:g} --judge {config.judge}",
        says=(
            f"Lead time {config.horizon} rows, {config.service:g} % of lead times to be served. {len(enough):,} lead "
            f"times that overlap, in {len(np.unique(blocks))} seasons that chose nothing.",
        ),
        figures=(
            share,
            JobFigure.of("gap", f"distance from the {config.service:g} % asked for",
                         abs(share.value - config.service / 100)),
            JobFigure.of("stock", "re-order point, mean", float(service.points.mean()), "1"),
            JobFigure.of("demand", "demand, mean", float(service.demand.came.mean()), "1"),
            JobFigure.of("left", "left at the end, mean", float(over[enough].mean()), "1"),
        ),
        timeline=_shelf(series, service, config.horizon),
        charts=(_chart(series, service),),
    )  # fmt: skip


def _shelf(series: JobSeries, service: Served, lead: int) -> Timeline:
    """Draw a shelf: when stock falls to the re-order point, what is missing to it and a mean demand are ordered."""
    step = series.step or 1.0
    points = dict(zip(service.origins.tolist(), service.points.tolist(), strict=True))
    first, size = int(service.origins[0]), float(service.demand.came.mean())
    stock, point, arriving = points[first] + size, points[first], dict[int, float]()
    curve, marks = list[tuple[float, float]](), list[Mark]()
    rows = min(len(series.values) - first, _LEADS * lead)
    for row in range(rows):
        stock += arriving.pop(row, 0.0)
        wanted = float(series.values[first + row])
        if wanted > stock:
            marks.append(Mark(time=row * step, kind="missed", text=f"{wanted - stock:.3g} asked for and not there"))
        stock = max(0.0, stock - wanted)
        point = points.get(first + row, point)
        known = stock + sum(arriving.values())
        if known <= point:
            arriving[row + lead] = point - known + size
            marks.append(Mark(time=row * step, kind="event", text=f"order of {arriving[row + lead]:.3g}"))
        curve.append((row * step, stock))
    return Timeline(
        title=f"A shelf that is filled by the re-order point, {series.when(first)} on",
        seconds=rows * step,
        unit="" if series.step else "rows",
        labels=("ordered",),
        truth=(),
        answers=tuple(
            Stretch(label="ordered", start=mark.time, end=min(rows, mark.time / step + lead) * step)
            for mark in marks if mark.kind == "event"
        ),
        marks=tuple(marks),
        keys=("truth", "on its way", "states"),
        note="Squares are orders; at a cross more was asked for than was there.",
        signals=((
            JobCurve(name="on the shelf", points=tuple(curve)),
            JobCurve(name="order below", points=tuple(
                ((row - first) * step, value) for row, value in points.items() if row - first < rows
            )),
        ),),
    )  # fmt: skip


def _chart(series: JobSeries, service: Served) -> JobChart:
    unit, rows = series.unit
    times = ((service.origins - series.start) / rows).tolist()
    return JobChart(
        title=f"{series.column} over a lead time", x_title=f"{unit} since the first row that judges",
        curves=tuple(
            JobCurve(name=name, points=tuple(zip(times, values.tolist(), strict=True)))
            for name, values in (("came", service.demand.came), ("re-order point", service.points))
        ),
        label="What was asked for in the lead time after each row, and the re-order point there",
    )  # fmt: skip


STEP = Step(Config, "When to order again", _reorder)
