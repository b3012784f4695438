"""The self-test that is exported with C: right builds pass, and one that reads images in another order does not."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from c99_examples import Files, need
from c99_exports import export
from c99_stages import CASES, fitted, need_compiler
from edgewright.export._c_host import compile_c99, context_of
from edgewright.export._c_self_test import write_self_test
from edgewright.export.c99 import write_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.graph.extract import integer_network
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
from integer_networks import LAYERS, picture, small, trained
from support import left_out

PREDICT, NETWORK = 1, 2


def answer_of(files: Files, name: str, folder: Path, compiler: str = "") -> int:
    """What the self-test of a compiled export says."""
    library = ctypes.CDLL(str(compile_c99(files, folder, compiler=compiler, taps=False)))
    return int(getattr(library, f"{name}_self_test")(context_of(library, f"{name}_self_test_context")))


def both(graph: Graph, network: IntegerNetwork | None, *, turned: bool = True) -> Files:
    """A pipeline and its self-test."""
    return {**write_c99(graph, network, name="eye", turned=turned), **write_self_test(graph, network, name="eye")}


@pytest.mark.parametrize("compiler", ["gcc", pytest.param("clang", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [*LAYERS, "picture"])
def test_every_build_passes_its_self_test(name: str, compiler: str, tmp_path: Path) -> None:
    need(compiler)
    floats = picture() if name == "picture" else trained(name)
    assert answer_of(both(floats, None), "eye", tmp_path / "float", compiler) == 0
    assert answer_of(both(small(name), integer_network(small(name), "tflm")), "eye", tmp_path / "int8", compiler) == 0


def test_stages_with_a_window_and_packages_pass_theirs(tmp_path: Path) -> None:
    need_compiler()
    for place, case in enumerate(case for case in CASES if case[1] in ("scale", "spectral", "log_mel", "statistics")):
        assert answer_of(both(fitted(*case)[0], None), "eye", tmp_path / str(place)) == 0, case
    assert answer_of(export("rows"), "and", tmp_path / "rows") == 0
    assert answer_of(export("windows"), "export", tmp_path / "windows") == 0


def test_another_order_of_an_image_fails_in_both_functions(tmp_path: Path) -> None:
    need_compiler()
    assert answer_of(both(picture(), None, turned=False), "eye", tmp_path / "float") == PREDICT
    graph = small("picture")
    files = both(graph, integer_network(graph), turned=False)
    assert answer_of(files, "eye", tmp_path / "int8") == PREDICT | NETWORK


@pytest.mark.slow
def test_a_microcontroller_passes_its_self_test() -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    call = "static eye_self_test_context context; (void)in; *(int *)out = eye_self_test(&context);"
    for graph, network in ((picture(), None), (small("picture"), integer_network(small("picture")))):
        entry = Entry("eye_self_test.h", call, 4, 4)
        run = run_on_device(both(graph, network), entry, "cortex-m4", np.zeros((1, 1), np.float32))
        assert run.outputs.view(np.int32).tolist() == [[0]]


def test_a_changed_weight_fails(tmp_path: Path) -> None:
    need_compiler()
    files = both(small("pools"), integer_network(small("pools")))
    begin = files["eye.c"].index("eye_dense_8_bias[3] = {\n") + len("eye_dense_8_bias[3] = {\n")
    changed = files["eye.c"][:begin] + "    90000, -90000, 90000\n" + files["eye.c"][files["eye.c"].index("}", begin) :]
    assert answer_of({**files, "eye.c": changed}, "eye", tmp_path) == PREDICT | NETWORK
