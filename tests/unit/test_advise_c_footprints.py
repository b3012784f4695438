"""What advice says a detector and a forecaster take, against their C, compiled and counted."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.estimate.detectors import DetectorSubject

from edgewright.core.catalogue import names
from edgewright.export import c99_detectors
from edgewright.export.c99_detectors import Score
from edgewright.export.c99_detectors._source import Form, detector_form
from edgewright.export.c99_stream.forecast import write_forecaster_c99
from edgewright.export.detector_program import detector_program
from edgewright.export.emulator import Entry, installed_tools, run_on_device
from edgewright.language.forecasting.selection import ForecastRequest, fit_forecaster
from edgewright.profiles import cores
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import program_footprint
from edgewright.schema.footprint import Footprint, Program
from edgewright.search.advise.c_footprints import detector_price, forecaster_price
from edgewright.workflows.detection.fit import configured, learn
from edgewright.workflows.detection.rows import Stretch
from support import left_out

CORES = ("cortex-m4", "cortex-m0plus")


@pytest.fixture
def emulator() -> None:
    # The estimates were fitted to programs that GCC compiled.
    for core in CORES:
        if "qemu" not in installed_tools(core):
            left_out("GCC and QEMU for microcontrollers")


def _holds(footprint: Footprint | None, flash: int, ram: int, instructions: int) -> None:
    assert footprint is not None
    for spread, true in ((footprint.flash, flash), (footprint.ram, ram), (footprint.instructions, instructions)):
        assert spread is not None
        assert spread.low <= true <= spread.high
        assert true / 4 < spread.value < true * 4


def _fitted(kind: str, channels: int, **settings: object) -> DetectorSubject:
    values = np.random.default_rng(5).normal(0, 1, (900, channels)).astype(np.float32)
    learnt = learn(kind, configured(kind, dict(settings)), (Stretch("one", values, np.full(900, np.nan)),))
    form = detector_form(kind, learnt, columns=tuple("abcdefgh"[:channels]), threshold=5.0)
    return DetectorSubject(kind, form, values[-64:])


@pytest.mark.parametrize("kind", sorted(names(c99_detectors.__name__)))
def test_every_detector_with_a_form_in_c_has_a_price(kind: str) -> None:
    program = detector_program(_fitted(kind, 2, **({"epochs": 1} if kind == "autoencoder" else {})).form)
    # A network inside may be unlike those that were fitted on the cores with fewer programs, and is then unknown.
    for core in cores.known() if kind != "autoencoder" else ("cortex-m4",):
        footprint = program_footprint(load_profile(core), program, form="float")
        assert footprint.instructions is not None, footprint.notes
        assert footprint.flash.value > program.constants
        assert (footprint.flash.low, footprint.ram.low) >= (program.constants, program.values)


@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("kind", "channels"), [("robust", 5), ("k_means", 4), ("var", 2), ("own_past", 1)])
def test_a_detector_takes_about_what_is_estimated(kind: str, channels: int, core: str) -> None:
    subject = _fitted(kind, channels)
    estimate, truth = subject.estimate(load_profile(core)), subject.truth(core)
    for name in ("flash", "ram", "instructions"):
        spread, true = getattr(estimate, name), getattr(truth, name)
        assert abs(spread.value / true - 1) <= 0.40, (name, spread.value, true)


def _new(*lines: str, **more: object) -> Program:
    """Return a detector that has just been written."""
    score = Score(("float total = 0.0f;", *lines, "return total;"), {}, **more)  # type: ignore[arg-type]
    return detector_program(Form("new", score, ("a", "b"), 1.0, 0, None, own_windows=True))


def test_a_new_detector_is_priced_by_its_code_alone() -> None:
    profile = load_profile("cortex-m4")
    turn = ["for (int k = 0; k < %d; ++k) {", "    total += row[0] * (float)k;", "}"]
    short, long = (_new(turn[0] % count, *turn[1:]) for count in (10, 1000))
    few, many = (program_footprint(profile, one, form="float").instructions for one in (short, long))
    assert few is not None
    assert many is not None
    assert many.value > 30 * few.value


def test_a_detector_that_cannot_be_counted_is_unknown() -> None:
    profile = load_profile("cortex-m4")
    unseen = program_footprint(profile, _new("total += tanhf(row[0]);"), form="float")
    assert unseen.instructions is None
    assert unseen.flash.how == "at least"
    assert "estimate --compile" not in unseen.notes[0]
    loop = ("while (total < row[0]) {", "    total += 1.0f;", "}")
    assert program_footprint(profile, _new(*loop), form="float").instructions is None
    footprint = program_footprint(profile, _new(*loop, often={"while (total": 20.0}), form="float")
    assert footprint.instructions is not None


def test_a_branch_counts_as_often_as_the_detector_says() -> None:
    branch = ("if (row[0] > row[1]) {", "    total += row[0] / row[1];", "}")
    usual, rare = _new(*branch), _new(*branch, often={"if (row[0]": 0.1})
    assert (usual.run["detector div"], rare.run["detector div"]) == (1.0, 0.1)
    leaving = _new("if (row[0] > row[1]) {", "    total += row[0] / row[1];", "    return total;", "}")
    assert leaving.run.get("detector div", 0.0) == 0.0
    assert leaving.written["detector div"] == 1.0


@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("log", [False, True])
def test_a_forecaster_takes_what_is_said(core: str, log: bool) -> None:
    rng = np.random.default_rng(6)
    wave = np.sin(np.arange(900) / 24 * 2 * np.pi) + rng.normal(0, 0.2, 900)
    forecaster = fit_forecaster(
        np.exp(wave + np.arange(900) / 300) if log else wave, ForecastRequest(horizon=16, seasons=(24,))
    )
    assert (forecaster.spec.model.scale == "log") is log
    call = "static m_forecast_context context; static m_forecast_row rows[16]; "
    call += "m_forecast_push(&context, (double)*(const float *)in); "
    call += "*(int *)out = m_forecast(&context, 16, rows);"
    files = write_forecaster_c99(forecaster, name="m")
    row = np.array([[wave[-1]]], np.float32)
    done = run_on_device(files, Entry("m_forecast.h", call, 4, 4), core, row, timeout=300.0, tools="qemu")
    footprint = forecaster_price(forecaster)(load_profile(core))
    # Rows that come out lie in the caller's memory: a value and two intervals of doubles each.
    _holds(footprint, done.flash, done.ram + done.stack - 16 * 40, done.instructions)


def test_a_gateway_is_told_of_its_engine() -> None:
    values = np.random.default_rng(5).normal(0, 1, (900, 2)).astype(np.float32)
    learnt = learn("robust", configured("robust", {}), (Stretch("one", values, np.full(900, np.nan)),))
    large = detector_price("robust", learnt, ("a", "b"))(load_profile("raspberry-pi-5"))
    assert large is not None
    assert large.flash.value > 1e6
    assert large.latency_us is not None
    assert large.latency_us.value < 100.0
