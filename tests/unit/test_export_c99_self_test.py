"""The self-test that is exported with C: right builds pass, and one that reads images in another order does not."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from c99_examples import Files, compile_together, need
from c99_exports import export
from c99_stages import CASES, fitted, need_compiler
from edgewright.export._c_host import FLAGS, context_of
from edgewright.export._c_self_test import write_self_test
from edgewright.export.c99 import write_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.graph.extract import integer_network
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
from integer_networks import LAYERS, picture, small, trained
from support import left_out

PREDICT, NETWORK = 1, 2


def answers_of(models: Mapping[str, Files], folder: Path, compiler: str = "") -> dict[str, int]:
    """Return what the self-test of each export says; they are compiled together."""
    library = ctypes.CDLL(str(compile_together(models, folder, flags=FLAGS, compiler=compiler, taps=False)))
    return {
        name: int(getattr(library, f"{name}_self_test")(context_of(library, f"{name}_self_test_context")))
        for name in models
    }


def answer_of(files: Files, name: str, folder: Path) -> int:
    """Return what the self-test of an export says."""
    return answers_of({name: files}, folder)[name]


def both(graph: Graph, network: IntegerNetwork | None, *, name: str = "eye", turned: bool = True) -> Files:
    """A pipeline and its self-test."""
    return {**write_c99(graph, network, name=name, turned=turned), **write_self_test(graph, network, name=name)}


@pytest.mark.parametrize("compiler", ["gcc", pytest.param("clang", marks=pytest.mark.slow)])
def test_every_build_passes_its_self_test(compiler: str, tmp_path: Path) -> None:
    need(compiler)
    builds = {}
    for name in (*LAYERS, "picture"):
        floats = picture() if name == "picture" else trained(name)
        builds[f"float_{name}"] = both(floats, None, name=f"float_{name}")
        builds[f"int8_{name}"] = both(small(name), integer_network(small(name), "tflm"), name=f"int8_{name}")
    assert answers_of(builds, tmp_path, compiler) == dict.fromkeys(builds, 0)


def test_stages_with_a_window_and_packages_pass_theirs(tmp_path: Path) -> None:
    need_compiler()
    cases = {f"{case[1]}{case[2]}": case for case in CASES if case[1] in ("scale", "spectral", "log_mel", "statistics")}
    builds = {name: both(fitted(*case)[0], None, name=name) for name, case in cases.items()}
    builds |= {"and": export("rows"), "export": export("windows")}
    assert answers_of(builds, tmp_path) == dict.fromkeys(builds, 0)


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
