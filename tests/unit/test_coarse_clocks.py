"""Clocks of rows and of the machine."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from agent_example import RATE, package, run, signal
from edgewright.core.clocks.units import RateGuard, gap_length, rate_of
from edgewright.core.input.recordings import stretches
from edgewright.core.package import package_bytes, parse_package, read_package
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording, TimeUnit
from edgewright.core.records.package import RecordingColumns, WindowSpec
from edgewright.data.quality import examine
from edgewright.data.samples import cut
from edgewright.device.timeline import WallClock, kernel_doubt
from edgewright.monitor.detector_stream import DetectorFile, Watch
from edgewright.monitor.detectors import kind
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.workflows.detection.rows import watched_of
from runtime_example import window_parts

HZ, BURSTS, PERIOD_S = 25, 20, 60


def stamps(seconds: float = 8.0, offset: float = 0.0) -> NDArray[np.float64]:
    """Return whole seconds of bursts at 25 Hz, one a minute."""
    burst = np.arange(round(seconds * HZ)) / HZ
    return np.asarray(np.floor(np.concatenate([offset + PERIOD_S * n + burst for n in range(BURSTS)])))


def dataset(time: NDArray[np.float64]) -> DataSet:
    bursts = (time // PERIOD_S).astype(np.int64)
    values = np.stack([bursts, bursts], axis=1).astype(np.float32)
    target = np.where(bursts % 2 == 0, "still", "moving")
    recording = Recording(name="one", values=values, target=target, time=time - time[0])
    return DataSet(name="bursts", columns=(Column(name="x"), Column(name="y")), recordings=(recording,), rate=float(HZ))


@pytest.mark.parametrize("seconds", [3.0, 8.0, 8.4, 20.0])
@pytest.mark.parametrize("offset", [0.0, 0.31, 0.98])
def test_rows_of_whole_ticks_tell_the_rate(seconds: float, offset: float) -> None:
    time = stamps(seconds, offset)
    assert rate_of(time) == pytest.approx(HZ, rel=0.01)
    guard = RateGuard(HZ, "t")
    for piece in np.array_split(np.diff(time), 17):
        guard.push(piece)


def test_gaps_between_bursts_are_found_and_named() -> None:
    time = stamps()
    assert np.count_nonzero(np.diff(time) > gap_length(np.diff(time))) == BURSTS - 1
    (gap,) = [finding for finding in examine(dataset(time)).findings if finding.kind == "gap"]
    assert gap.numbers["gaps"] == BURSTS - 1
    assert gap.numbers["longest_seconds"] == PERIOD_S - 7
    assert gap.numbers["lost_seconds"] == (BURSTS - 1) * (PERIOD_S - 8)


def test_no_window_crosses_a_gap() -> None:
    samples = cut(dataset(stamps()), WindowConfig(samples=50, step=25, within="recording"))
    assert len(samples.X) == BURSTS * 7
    assert (np.ptp(np.asarray(samples.X), axis=2) == 0).all()


def test_predictions_cut_bursts_as_training_does() -> None:
    time = stamps().astype(np.int64).astype(str)
    columns = RecordingColumns(time="t", rate=float(HZ))
    begins = stretches(columns, {"t": time}, len(time))
    assert begins == [(n * 8 * HZ, (n + 1) * 8 * HZ) for n in range(BURSTS)]
    manifest, files = window_parts()
    predictor = Predictor(
        parse_package(package_bytes(msgspec.structs.replace(manifest, recordings=columns), files), "p")
    )
    text = "t,x,y\n" + "\n".join(f"{t},1,2" for t in time) + "\n"
    places = [answer["place"] for answer in answer_rows(predictor, io.StringIO(text), "rows")]
    assert len(places) == BURSTS * len(range(0, 8 * HZ - 8 + 1, 4))


def test_a_detector_cuts_bursts_in_training_and_at_work_alike() -> None:
    time, window = stamps(), WindowSpec(samples=60, step=60, rate=float(HZ))
    labelled = dataset(time)
    stretches_in_training = watched_of(labelled, window).stretches
    assert sum(len(stretch.values) for stretch in stretches_in_training) == BURSTS * 3
    rows = labelled.recordings[0].values
    part = kind("robust")
    learnt = part.fit(
        part.config(), np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32), np.arange(200.0)
    )
    spec = DetectorSpec(kind="robust", config={}, columns=labelled.columns, threshold=Threshold(value=6.0, by="given"),
                        rate=float(HZ), window=window)  # fmt: skip
    assert len(Watch(DetectorFile(spec, learnt)).push(rows, time)) == BURSTS * 3


def test_times_that_never_move_tell_no_gap() -> None:
    assert gap_length(np.zeros(5)) == np.inf
    assert rate_of(np.zeros(5)) is None
    assert gap_length(np.empty(0)) == np.inf


def test_each_person_and_session_may_have_a_clock_from_zero() -> None:
    clock = np.arange(100) / HZ
    people, takes = np.repeat(["ann", "bo"], 200), np.tile(np.repeat(["1", "2"], 100), 2)
    values = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)

    def kinds(**parts: object) -> set[str]:
        recording = Recording(name="one", values=values, time=np.tile(clock, 4), **parts)  # type: ignore[arg-type]
        clocks = DataSet(name="clocks", columns=(Column(name="x"), Column(name="y")), recordings=(recording,))
        return {finding.kind for finding in examine(clocks).findings}

    assert "time-goes-back" not in kinds(groups=people, sessions=takes)
    assert "time-goes-back" in kinds(groups=people)  # the second session of a person, which no column tells
    assert "time-goes-back" in kinds()


CLOCKS: dict[str, tuple[str, TimeUnit, Callable[[float], str]]] = {
    "seconds": ("time", "s", lambda s: f"{s:.3f}"),
    "milliseconds": ("time", "ms", lambda s: str(round(1e3 * s))),
    "microseconds": ("time", "us", lambda s: str(round(1e6 * s))),
    "milliseconds in another column": ("zeit", "ms", lambda s: str(round(1e3 * s))),
    "minutes": ("time", "min", lambda s: f"{s / 60:.7f}"),
    "a counter of 16 bits": ("time", "ms", lambda s: str(round(1e3 * s) % 65_536)),
    "epochs": ("time", "auto", lambda s: f"{1_714_564_800 + s:.3f}"),
    "milliseconds of the epoch": ("time", "auto", lambda s: str(1_714_564_800_000 + round(1e3 * s))),
    "ISO": ("time", "auto", lambda s: str(np.datetime64("2024-05-01T23:59:00.000") + round(1e3 * s))),
    "times of day": ("time", "auto", lambda s: str(np.datetime64("2024-05-01T23:59:00.000") + round(1e3 * s))[11:]),
    "local dates": ("time", "auto", lambda s: f"01.05.2024 12:{int(s // 60):02d}:{s % 60:06.3f}"),
}
GAP_AT = 1503


@pytest.mark.parametrize("kind", CLOCKS)
@pytest.mark.parametrize("gap_s", [0.0, 20.0])
def test_a_replay_answers_as_predict(kind: str, gap_s: float, tmp_path: Path) -> None:
    name, unit, write = CLOCKS[kind]
    recordings = RecordingColumns(time=name, time_unit=unit)
    predictor = Predictor(read_package(package(tmp_path / "switch.edge", recordings=recordings)))
    values = np.round(signal(80.0), 4)
    seconds = np.arange(len(values)) / RATE + gap_s * (np.arange(len(values)) >= GAP_AT)
    rows = [f"{write(s)},{a},{b}\n" for s, (a, b) in zip(seconds.tolist(), values.tolist(), strict=True)]
    (tmp_path / "rows.csv").write_text(f"{name},level,heat\n" + "".join(rows))
    answers = Counter(answer["label"] for answer in answer_rows(predictor, tmp_path / "rows.csv", "rows.csv"))
    settings = {"packages": [{"path": "switch.edge"}], "agent": {"summary": 1000.0}}
    events, _ = run(tmp_path, f"replay:{tmp_path / 'rows.csv'}", settings=settings)
    (summary,) = [event for event in events if event.kind == "summary"]
    assert summary.detail["counts"] == answers
    assert answers.total() == (797 if gap_s else 799)


class Clocks:
    """A time of day and a steady clock that tests move."""

    def __init__(self) -> None:
        self.wall, self.steady = 1.7e9, 50.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_is_set_is_noticed_once(days: float) -> None:
    clocks = Clocks()
    watch = WallClock(lambda: clocks.wall, lambda: clocks.steady, lambda: 0.01)
    assert watch.now().jumped == 0.0
    clocks.pass_by(3600)
    clocks.wall += 0.2  # what a time service corrects
    assert watch.now().jumped == 0.0
    clocks.wall += days * 86400
    assert watch.now().jumped == pytest.approx(days * 86400)
    clocks.pass_by(1)
    moment = watch.now()
    assert (moment.jumped, moment.wall, moment.doubt) == (0.0, clocks.wall, 0.01)


def test_the_kernel_says_a_doubt_or_that_nobody_set_the_clock() -> None:
    doubt = kernel_doubt()
    assert doubt is None or 0.0 <= doubt < 1000.0
    assert abs(WallClock().now().wall - time.time()) < 1.0
