"""Detectors in generated C on an emulated Cortex-M4: the scores of the desk, and the memory that the header says."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.export.c99_detectors._source import write_detector_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.monitor.detectors import kind as detector
from edgewright.workflows.detection.fit import learn
from edgewright.workflows.detection.rows import Stretch
from support import left_out

CHANNELS, ROWS, STREAMS = 3, 150, 3
START, EVERY = 1.7e9, 600
SETTINGS: dict[str, dict[str, Any]] = {
    "robust": {"season": 86400.0, "mean": 2},
    "own_past": {"warm_up": 10},
    "spectral_residual": {"samples": 32},
    "autoencoder": {"epochs": 8},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SETTINGS)
def test_a_microcontroller_scores_as_python_does(kind: str) -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    rng = np.random.default_rng(12)
    values = (rng.normal(size=(300, CHANNELS)) * [1.0, 9.0, 0.1] + [0.0, 40.0, -2.0]).astype(np.float32)
    config = msgspec.convert(SETTINGS[kind], detector(kind).config)
    learnt = learn(kind, config, (Stretch("", values, START + EVERY * np.arange(300.0)),))
    files = write_detector_c99(kind, learnt, name="d", columns=("a", "b", "c"), threshold=1.0)
    # A call takes a whole stream from a fresh start: it is repeated to be counted, and a detector remembers.
    streams = (rng.normal(size=(STREAMS, ROWS, CHANNELS)) * [1.0, 9.0, 0.1] + [0.0, 40.0, -2.0]).astype(np.float32)
    streams[rng.uniform(size=streams.shape) < 0.03] = np.nan
    streams[:, 60:63, 1] += 200
    message = f"d_detect_time(&context, INT64_C({int(START)}000000) + INT64_C({EVERY}000000) * i);"
    call = (
        f"static d_detect_context context; d_detect_init(&context); for (int i = 0; i < {ROWS}; ++i) {{ "
        f"{message if 'd_detect_time' in files['d_detect.h'] else ''} "
        f"((float *)out)[i] = d_detect_score(&context, (const float *)in + {CHANNELS} * i); }}"
    )
    run = run_on_device(
        files, Entry("d_detect.h", call, 4 * ROWS * CHANNELS, 4 * ROWS), "cortex-m4", streams.reshape(STREAMS, -1)
    )
    scores_of = run.outputs.view(np.float32).reshape(STREAMS, ROWS)
    time = START + EVERY * np.arange(float(ROWS))
    for rows, scores in zip(streams, scores_of, strict=True):
        wanted = detector(kind).start(learnt).update(rows, time)
        np.testing.assert_allclose(scores, wanted, rtol=1e-4, atol=1e-4 * float(np.nanmedian(wanted)))
        assert np.nanmax(wanted) > 0
    headers = "".join(text for file, text in files.items() if file.endswith(".h"))
    reported = sum(map(int, re.findall(r"Memory: (\d+) bytes of RAM", headers)))
    # Both ends of memory are at multiples of 8. Newlib (GCC) keeps 96 bytes for errno once a function of <math.h> is
    # called; the library of zig keeps none.
    calls_math = re.search(r"\b(expf|sqrtf|logf)\(", files["d_detect.c"]) is not None
    assert any(abs(run.ram - reported - library) <= 16 for library in (0, 96 * calls_math))
