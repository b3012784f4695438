"""A forecaster on the terminal, as JSON and as a page."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from edgewright.language.forecasting.series import Series
    from edgewright.monitor.forecaster import Forecast, ForecasterFile
    from edgewright.schema.forecast import ForecasterSpec
    from edgewright.trace.blocks.view_blocks import Curve

_HEIGHT, _NARROW, _WIDE = 12, 60, 110


def summary(forecaster: ForecasterFile, notes: list[str], out: Path | None, size: int) -> dict[str, Any]:
    """Return what was fitted, as JSON has it."""
    spec = msgspec.to_builtins(forecaster.spec)
    coming = forecaster.start().forecast(forecaster.spec.horizon)
    keys = ("name", "column", "seasons", "horizon", "rows", "missing", "reason", "tried", "coverage", "model")
    return {
        "file": None if out is None else str(out), "bytes": size, "notes": notes, **{key: spec[key] for key in keys},
        "forecast": rows_of(forecaster.spec, coming, forecaster.spec.last, forecaster.spec.horizon),
    }  # fmt: skip


def rows_of(spec: ForecasterSpec, coming: Forecast, last: float, horizon: int) -> list[dict[str, Any]]:
    """One object a row ahead."""
    rows = []
    for h in range(horizon):
        row: dict[str, Any] = {"ahead": h + 1}
        if spec.step:
            row["time"] = when(last + spec.step * (h + 1))
        row["forecast"] = float(f"{coming.middle[h]:.7g}")
        for k, level in enumerate(spec.levels):
            row[f"low_{level:g}"] = float(f"{coming.low[k, h]:.7g}")
            row[f"high_{level:g}"] = float(f"{coming.high[k, h]:.7g}")
        rows.append(row)
    return rows


def when(seconds: float) -> str | float:
    """Return an epoch as ISO text; a counter as it is."""
    if not 1e8 < seconds < 1e11:
        return seconds
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def fit_lines(forecaster: ForecasterFile, series: Series, season: str) -> Iterator[str]:
    """Yield the backtest's table, the choice, the coverage and a plot."""
    spec = forecaster.spec
    yield f"{spec.column}: {spec.rows:,} rows; {'; '.join(series.notes)}"
    yield season
    yield f"rolling backtest, {spec.horizon} rows ahead, within these rows:"
    yield f"  {'':<34} {'MASE':>6}  {'95 % interval':<15} {'sMAPE':>6}  numbers"
    for candidate in spec.candidates:
        if candidate.why:
            yield f"  {candidate.name:<34} skipped: {candidate.why}"
            continue
        span = f"{candidate.low:.3f} to {candidate.high:.3f}"
        size = f"{candidate.numbers or '-'}" if candidate.device else "referee"
        mark = "*" if candidate.name == spec.name else " "
        yield f"{mark} {candidate.name:<34} {candidate.mase:6.3f}  {span:<15} {candidate.smape:6.2f}  {size}"
    yield f"* {spec.name}: {spec.reason}"
    yield from coverage(spec)
    numbers, state = sum(len(part.weights) + 1 for part in spec.model.parts), 4 * len(forecaster.state)
    intervals = forecaster.widths.nbytes
    yield f"on a device: {numbers} numbers, {state:,} bytes of state, {intervals:,} bytes of intervals"
    coming = forecaster.start().forecast(spec.horizon)
    if text := _plot(spec, coming, series):
        yield text


def coverage(spec: ForecasterSpec) -> list[str]:
    """One sentence a level."""
    return [
        f"{interval.level:g} % interval covered {100 * interval.inside / interval.of:.0f} % "
        f"of {interval.of:,} values of later folds"
        if interval.of
        else f"{interval.level:g} % interval: too few rows to check its coverage"
        for interval in spec.coverage
    ]


def _curves(spec: ForecasterSpec, coming: Forecast, series: Series) -> list[Curve]:
    """Return what is drawn: the last rows, the forecast, and its narrowest interval."""
    from edgewright.trace.blocks.view_blocks import Curve

    before = min(len(series.values), max(3 * spec.horizon, 2 * max(spec.seasons, default=1), 24))
    ahead = [float(h + 1) for h in range(spec.horizon)]
    past = zip(map(float, range(-before + 1, 1)), series.values[-before:].tolist(), strict=True)
    curves = {"forecast": coming.middle}
    if spec.levels:
        curves |= {f"{spec.levels[0]:g} % {end}": part[0] for end, part in (("low", coming.low), ("high", coming.high))}
    lines = {name: tuple(zip(ahead, values.tolist(), strict=True)) for name, values in curves.items()}
    return [Curve(spec.column, tuple(past)), *(Curve(name, points) for name, points in lines.items())]


def _plot(spec: ForecasterSpec, coming: Forecast, series: Series) -> str:
    from edgewright.trace.blocks.terminal import plot, plot_text

    encoding = (getattr(sys.stdout, "encoding", "") or "").lower()
    width = max(_NARROW, min(_WIDE, shutil.get_terminal_size().columns - 1))
    chart = plot(
        _curves(spec, coming, series),
        width=width,
        height=_HEIGHT,
        unicode="utf" in encoding,
        x_name="rows from the last one",
    )
    return plot_text(chart)


def write_page(path: Path, forecaster: ForecasterFile, series: Series) -> None:
    """Write the chart and the tables as one HTML file.

    Raises:
        OutputError: it cannot be written.
    """
    from markupsafe import Markup

    from edgewright.core.files import write_atomic
    from edgewright.trace.blocks.charts import draw, legend, sampled
    from edgewright.trace.blocks.view_blocks import Chart, Curve
    from edgewright.trace.html import sections_page

    spec = forecaster.spec
    past, *others = _curves(spec, forecaster.start().forecast(spec.horizon), series)
    curves = [Curve(past.name, sampled(past.points)), *others]
    label = f"{spec.column} and its forecast, {spec.horizon} rows ahead"
    chart = draw(Chart(spec.column, "rows from the last one", tuple(curves), label, mark_x=0.0))
    cell = Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>")
    rows = Markup("").join(
        cell.format(
            f"{candidate.name} (chosen)" if candidate.name == spec.name else candidate.name,
            candidate.why or f"{candidate.mase:.3f} ({candidate.low:.3f} to {candidate.high:.3f})",
            f"{candidate.smape:.2f}",
        )
        for candidate in spec.candidates
    )
    head = Markup("<tr><th>candidate</th><th>MASE (95 % interval)</th><th>sMAPE</th></tr>")
    table = Markup("<table>{}{}</table>").format(head, rows)
    sentences = Markup("").join(Markup("<p>{}</p>").format(sentence) for sentence in coverage(spec))
    names = Markup('<p class="legend">{}</p>').format(legend(curves))
    shown = [("forecast", "Forecast", names + chart), ("backtest", "Rolling backtest", table + sentences)]
    write_atomic(path, sections_page(f"{spec.column}: forecast", f"{spec.name}: {spec.reason}.", shown).encode())
