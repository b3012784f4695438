"""What advice says a detector and a forecaster take, against their C, compiled and counted."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.export._c_detector import write_detector_c99
from edgewright.export.c99_forecast import write_forecaster_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.language.forecasting.choose import Asked, fit_forecaster
from edgewright.pipeline.detect_rows import Stretch
from edgewright.pipeline.detecting import configured, learn
from edgewright.profiles.catalogue import load_profile
from edgewright.schema.footprint import Footprint
from edgewright.search.advise.small_code import detector_price, forecaster_price
from support import left_out

CORES = ("cortex-m4", "cortex-m0plus")


@pytest.fixture
def emulator() -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")


def _holds(found: Footprint | None, flash: int, ram: int, instructions: int) -> None:
    assert found is not None
    for spread, true in ((found.flash, flash), (found.ram, ram), (found.instructions, instructions)):
        assert spread is not None
        assert spread.low <= true <= spread.high
        assert true / 4 < spread.value < true * 4


@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("kind", "channels"), [("robust", 5), ("k_means", 4), ("var", 2)])
def test_a_detector_takes_what_is_said(kind: str, channels: int, core: str) -> None:
    values = np.random.default_rng(5).normal(0, 1, (900, channels)).astype(np.float32)
    learnt = learn(kind, configured(kind, {}), (Stretch("one", values, np.full(900, np.nan)),))
    columns = tuple("abcdefgh"[:channels])
    files = write_detector_c99(kind, learnt, name="m", columns=columns, threshold=5.0)
    call = "static m_detect_context context; static m_anomaly told; "
    call += "*(int *)out = m_detect(&context, (const float *)in, &told);"
    done = run_on_device(files, Entry("m_detect.h", call, 4 * channels, 4), core, values[-1:], timeout=300.0)
    found = detector_price(kind, learnt, columns)(load_profile(core))
    _holds(found, done.flash, done.ram + done.stack, done.instructions)


@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("log", [False, True])
def test_a_forecaster_takes_what_is_said(core: str, log: bool) -> None:
    rng = np.random.default_rng(6)
    wave = np.sin(np.arange(900) / 24 * 2 * np.pi) + rng.normal(0, 0.2, 900)
    made = fit_forecaster(np.exp(wave + np.arange(900) / 300) if log else wave, Asked(horizon=16, seasons=(24,)))
    assert (made.spec.model.scale == "log") is log
    call = "static m_forecast_context context; static m_forecast_row rows[16]; "
    call += "m_forecast_push(&context, (double)*(const float *)in); "
    call += "*(int *)out = m_forecast(&context, 16, rows);"
    files = write_forecaster_c99(made, name="m")
    row = np.array([[wave[-1]]], np.float32)
    done = run_on_device(files, Entry("m_forecast.h", call, 4, 4), core, row, timeout=300.0)
    found = forecaster_price(made)(load_profile(core))
    # Rows that come out lie in the caller's memory: a value and two intervals of doubles each.
    _holds(found, done.flash, done.ram + done.stack - 16 * 40, done.instructions)


def test_what_was_never_measured_is_not_said_and_a_gateway_is_told_of_its_engine() -> None:
    values = np.random.default_rng(5).normal(0, 1, (900, 2)).astype(np.float32)
    learnt = learn("robust", configured("robust", {}), (Stretch("one", values, np.full(900, np.nan)),))
    assert detector_price("autoencoder", learnt, ("a", "b"))(load_profile("cortex-m4")) is None
    large = detector_price("robust", learnt, ("a", "b"))(load_profile("raspberry-pi-5"))
    assert large is not None
    assert large.flash.value > 1e6
    assert large.latency_us is not None
    assert large.latency_us.value < 100.0
