"""The int8 models of MLPerf Tiny as C: every byte is that of the reference, which LiteRT and TFLM agree with."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.core.integer.network import run_integer
from edgewright.core.records.network import Rounding
from edgewright.export.c99_code.pipeline import write_network_c99
from edgewright.export.c99_host.host import STRICT, load_c99
from edgewright.graph.from_tflite import read_tflite
from support import shared_data

MODELS = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "str_ww_ref_model", "vww_96_int8")


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Skip the tests where no compiler is installed."""
    need_compiler()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rounding", ["litert", "tflm"])
def test_a_model_of_mlperf_tiny_gives_every_byte(name: str, rounding: Rounding, tmp_path: Path) -> None:
    file = next(shared_data("mlperf-tiny").rglob(f"{name}.tflite"))
    network = read_tflite(file, rounding=rounding)
    files = write_network_c99(network, name="tiny")
    model = load_c99(files, tmp_path, flags=(*STRICT, "-O1"))
    x = np.random.default_rng(6).integers(-128, 128, (2, *network.values[network.input].shape)).astype(np.int8)
    np.testing.assert_array_equal(model.network(x), run_integer(network, x).reshape(2, -1))
    match = re.search(r"Memory: (\d+) bytes of RAM.*?\((\d+) bytes if", files["tiny.h"], re.DOTALL)
    assert match is not None
    assert int(match[1]) < 0.56 * int(match[2])
