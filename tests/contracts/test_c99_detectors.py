"""Every detector in generated C judges real streams as Python does: scores, alarms, channels; with holes and gaps."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from benchmarks.anomalies import nab, skab
from numpy.typing import NDArray

from c99_examples import need
from c99_streams import COMPILERS, Floats, Rows, built, output_of, rows_main, threshold_of, windows_main
from edgewright.core.input.recordings import Windower, cut
from edgewright.core.records.data import Column
from edgewright.core.records.package import WindowSpec
from edgewright.export.c99_detectors import detector_writer
from edgewright.export.c99_detectors._source import write_detector_c99
from edgewright.monitor.detector_stream import DetectorFile, RowVerdict, Watch, window_features
from edgewright.monitor.detectors import kind as detector
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.workflows.detection.fit import learn
from edgewright.workflows.detection.rows import Stretch
from support import shared_data

pytestmark = [pytest.mark.slow, pytest.mark.needs_data]
KINDS = tuple(sorted(detector_writer.known))
SETTINGS: dict[str, dict[str, Any]] = {
    "robust": {"season": 86400.0, "mean": 3},
    "autoencoder": {"epochs": 15, "mean": 2},
    "pca": {"mean": 4},
}
# Streams by set: one channel every five minutes with gaps in time, and eight channels every second.
STREAMS = ("nab", "skab")
FITTED, MAX_ROWS = 400, 3000
REFRACTORY = 20
WINDOW = WindowSpec(samples=16, step=5, rate=None)
# float32 against float64, relative to the score or to the usual one, whichever is more. A spectrum goes through a
# transform, a logarithm and back, and near zero a logarithm makes much of little.
TOLERANCE = 1e-4
LOOSER = {"spectral_residual": 1e-3}


@cache
def stream(name: str) -> Rows:
    """Real rows with holes: single values, whole rows, and rows that are missing altogether."""
    folder = shared_data(name)
    if name == "nab":
        series = next(s for s in nab.streams(folder) if "machine_temperature" in s.name)
        start = 2000
        values, time = series.values[start : start + MAX_ROWS, None], series.time[start : start + MAX_ROWS]
    else:
        values = np.concatenate([one.values for one in skab.experiments(folder)[:3]])[:MAX_ROWS]
        time = 1.58e9 + np.arange(float(len(values)))
    damaged = np.array(values, np.float32)
    rng = np.random.default_rng(7)
    damaged[rng.uniform(size=damaged.shape) < 0.02] = np.nan
    damaged[rng.integers(0, len(damaged), 15)] = np.nan
    damaged[rng.integers(0, len(damaged), 5), 0] = [np.inf, -np.inf, 1e4, -1e4, np.inf]
    keep = np.ones(len(damaged), np.bool_)
    for lost in (700, 1400, 2100):
        keep[lost : lost + 40] = False
    damaged, time = damaged[keep], time[keep]
    usual = float(np.median(np.diff(time)))
    return Rows(damaged, time, np.concatenate([[False], np.diff(time) > 5 * usual]))


def learnt_of(kind: str, seen: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    config = msgspec.convert(SETTINGS.get(kind, {}), detector(kind).config)
    return learn(kind, config, (Stretch("", seen[:FITTED], time[:FITTED]),))


def watch(kind: str, learnt: dict[str, Any], rows: Rows, limit: float, window: WindowSpec | None) -> list[RowVerdict]:
    """Return what Python says of the stream."""
    spec = DetectorSpec(
        kind=kind,
        config={},
        columns=tuple(Column(name=f"c{n}") for n in range(rows.values.shape[1])),
        window=window,
        rate=1 / float(np.median(np.diff(rows.time))),
        threshold=Threshold(value=limit, by="given"),
        refractory=REFRACTORY,
    )
    return Watch(DetectorFile(spec, learnt)).push(rows.values, rows.time)


def written(kind: str, learnt: dict[str, Any], columns: int, limit: float, **more: Any) -> dict[str, str]:  # noqa: ANN401
    names = tuple(f"c{n}" for n in range(columns))
    return write_detector_c99(kind, learnt, name="d", columns=names, threshold=limit, refractory=REFRACTORY, **more)


def compare(kind: str, scores_in_c: Floats, verdicts: list[RowVerdict]) -> None:
    scores, within = np.array([one.score for one in verdicts]), LOOSER.get(kind, TOLERANCE)
    usual = within * float(np.nanmedian(scores[scores != 0]))
    np.testing.assert_array_equal(np.isnan(scores_in_c), np.isnan(scores))
    np.testing.assert_allclose(scores_in_c, scores, rtol=within, atol=usual)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_judged_as_in_python(kind: str, name: str, compiler: str, tmp_path: Path) -> None:
    need(compiler)
    rows = stream(name)
    learnt = learnt_of(kind, rows.values, rows.time)
    limit = threshold_of(detector(kind).start(learnt).update(rows.values, rows.time))
    verdicts = watch(kind, learnt, rows, limit, None)
    files = written(kind, learnt, rows.values.shape[1], limit)
    program = built(files, rows_main("d", files), compiler, tmp_path)
    given = output_of(program, rows.records())
    half = 4 * len(rows.values)
    compare(kind, np.frombuffer(given[:half], np.float32), verdicts)
    channels_in_c = np.frombuffer(given[half:], np.int32)
    assert channels_in_c.tolist() == [one.channel if one.alarm else -2 for one in verdicts]
    assert sum(one.alarm for one in verdicts) > 3


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if detector(kind).windows])
def test_windows_are_judged_as_in_python(kind: str, name: str, compiler: str, tmp_path: Path) -> None:
    need(compiler)
    rows = stream(name)
    windows, starts = cut(rows.values, WINDOW.samples, WINDOW.step)
    learnt = learnt_of(kind, window_features(windows), rows.time[starts + WINDOW.samples - 1])
    limit = threshold_of(np.array([one.score for one in watch(kind, learnt, rows, 1.0, WINDOW)]))
    verdicts = watch(kind, learnt, rows, limit, WINDOW)
    channels = rows.values.shape[1]
    files = written(kind, learnt, channels, limit, window=WINDOW)
    given = output_of(built(files, rows_main("d", files), compiler, tmp_path / "held"), rows.records())
    channels_in_c = np.frombuffer(given[4 * len(rows.values) :], np.int32)
    alarms = {one.row: one.channel for one in verdicts if one.alarm}
    assert {int(row): int(channels_in_c[row]) for row in np.flatnonzero(channels_in_c != -2)} == alarms
    assert len(alarms) > 1
    if "season" in SETTINGS.get(kind, {}):
        return  # whole windows are given without their times below
    whole = []
    windower = Windower(WINDOW.samples, WINDOW.step, channels)
    for row, gap in zip(rows.values, rows.gap, strict=True):
        windower = Windower(WINDOW.samples, WINDOW.step, channels) if gap else windower
        whole += windower.push(row)
    files = written(kind, learnt, channels, limit, window=WINDOW, own_windows=False)
    program = built(files, windows_main("d"), compiler, tmp_path / "given")
    compare(kind, np.frombuffer(output_of(program, np.stack(whole).tobytes()), np.float32), verdicts)
