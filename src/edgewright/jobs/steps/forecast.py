"""`forecast`: a series forecast from each of its last rows, against the best seasonal naive forecast."""

from __future__ import annotations

from edgewright.jobs.series import JobSeries, SeriesConfig, read_job_series
from edgewright.jobs.steps import Step, Work
from edgewright.language.forecasting.backtest import score_forecaster
from edgewright.language.forecasting.judging import JudgedForecast, judge_forecast
from edgewright.monitor.forecaster import write_forecaster
from edgewright.schema.job import Choice, JobChart, JobCurve, JobFigure, StepRecord


class Config(SeriesConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A forecast, with the keys of every series."""


def _forecast(config: Config, work: Work) -> StepRecord:
    with work.listener.doing("Forecasting"):
        series = read_job_series(config, work)
        judged = judge_forecast(series.values, series.start, series.request, column=series.column)
        scores = score_forecaster(judged.made, series.values[series.start :], series.column)
    folder = work.out / (config.name or config.kind)
    folder.mkdir()
    write_forecaster(folder / f"{series.column}.forecaster", judged.made)
    named = [str(season) for season in series.request.seasons]
    ratio = judged.ratio(series.start)
    spec = judged.made.spec
    asked = f"edgewright forecast DATA.csv --column {series.column} --horizon {config.horizon}"
    figures = (
            JobFigure(
                name="ratio", title="error in units of the best naive forecast", value=ratio.value, interval=ratio,
                unit="1",
            ),
            JobFigure(name="mae", title="mean absolute error", value=float(judged.errors.mean()), unit="1"),
            JobFigure(name="naive_mae", title=f"of the best naive forecast: {judged.naive_name}",
                      value=float(judged.naive.mean()), unit="1"),
            JobFigure(name="mase", title="MASE", value=scores["mase"], unit="1"),
            *(
                JobFigure(name=f"covered_{row['level']:g}", title=f"values within the {row['level']:g} % interval",
                          value=row["held"] / row["of"])
                for row in scores["coverage"]
            ),
    )  # fmt: skip
    return StepRecord(
        command=f"{asked} --season {','.join(named) or 'none'}",
        says=(
            f"{spec.name}, seasons of {' and '.join(named) or 'no'} rows, fitted on {series.start:,} rows; "
            f"{len(judged.origins):,} forecasts of {config.horizon} rows each from the {config.judge:,} rows after "
            f"them. The best naive forecast there is {judged.naive_name}.",
        ),
        figures=figures,
        choice=Choice(
            question="Which forecast?", options=figures[1:3], chosen=spec.name,
            why="a backtest on the rows before those that judge chose its form; the naive one is measured beside it",
        ),
        charts=(_chart(series, judged),),
        folder=folder.name,
    )  # fmt: skip


def _chart(series: JobSeries, judged: JudgedForecast) -> JobChart:
    """Draw the rows that judge, with each forecast from the end of the one before."""
    horizon, (unit, rows) = series.request.horizon, series.unit
    chosen = range(0, len(judged.origins), horizon)
    ahead = [
        ((int(judged.origins[place]) + step - series.start) / rows, float(judged.forecasts[place, step]))
        for place in chosen
        for step in range(horizon)
    ]
    came = [(number / rows, float(value)) for number, value in enumerate(series.values[series.start :].tolist())]
    # A page draws some hundred points: what fits of the newest.
    newest = came[-1][0] - 300 / rows
    return JobChart(
        title=series.column, x_title=f"{unit} since the first row that judges",
        curves=(
            JobCurve(name="came", points=tuple(point for point in came if point[0] >= newest)),
            JobCurve(name="forecast", points=tuple(point for point in ahead if point[0] >= newest)),
        ),
        label=f"What came, and what was forecast up to {horizon} rows before; the newest rows",
    )  # fmt: skip


STEP = Step(Config, "Forecast", _forecast)
