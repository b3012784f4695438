"""Integer C for RISC-V with vectors: the same bytes in assembly and C99, for vectors of any length; bounds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgewright.export.emulator as emulator
from c99_examples import ROUNDINGS, load_together
from c99_stages import need_compiler
from core_networks import NETWORKS, changed, inputs, network
from edgewright.core.integer.network import run_integer
from edgewright.core.records.network import Rounding
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99, write_network_c99
from edgewright.export.c99_host.host import STRICT, CModel
from edgewright.export.emulator import Entry, board, missing_tools, run_on_device
from integer_networks import in_c, small
from support import left_out

CORE = "riscv32v"
FLAGS = (*STRICT, "-O1", "-ffp-contract=off")
ALL = (*NETWORKS, "long", "narrow", "wide")
# Bits of a vector: the least that the extension V asks for, and those with which a strip holds more channels.
LENGTHS = (128, 256, 1024)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CModel]:
    """Return every network, compiled together by this machine's compiler: C99 stands for the instructions."""
    need_compiler()
    files_of = {
        f"{r}_{n}": write_network_c99(network(n, r), name=f"{r}_{n}", core=CORE) for n in ALL for r in ROUNDINGS
    }
    return load_together(files_of, tmp_path_factory.mktemp("networks"), flags=FLAGS)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", ALL)
def test_c99_in_place_of_vectors_gives_the_bytes_of_the_reference(
    name: str, rounding: Rounding, models: dict[str, CModel]
) -> None:
    built = network(name, rounding)
    x = inputs(built, 200)
    model, wanted = models[f"{rounding}_{name}"], run_integer(built, x).reshape(200, -1)
    np.testing.assert_array_equal(model.network(in_c(built, x)), wanted)


@pytest.mark.parametrize("name", ALL)
def test_operators_with_weights_take_lanes(name: str) -> None:
    model = network(name)
    text = write_network_c99(model, name="net", core=CORE)["net.c"]
    operators = [operator for operator in model.operators if operator.kind in ("dense", "conv", "depthwise")]
    # Taps of a dilated convolution do not lie side by side; a single channel would leave the other lanes empty.
    lanes = [o for o in operators if o.kind != "conv" or o.numbers.get("dilations", (1, 1))[1] == 1]
    lanes = [o for o in lanes if model.values[o.output].shape[-1] > 1]
    assert text.count("static const net_layer layer = {") == len(lanes) > 0
    assert ("_dots" in text) == (len(lanes) < len(operators))


@pytest.mark.parametrize("kind", ["sum", "tie", "shift"])
def test_a_bound_that_does_not_hold_leaves_portable_code(kind: str, tmp_path: Path) -> None:
    need_compiler()
    model = network("dense", "tflm" if kind == "shift" else "litert")
    own = next(operator for operator in model.operators if operator.kind == "dense").arrays
    if kind == "sum":
        model = changed(model, "dense", bias=own["bias"] + (1 << 30))
    elif kind == "tie":  # products that end with 32 zeros are possible: a tie could be taken for less
        model = changed(model, "dense", multiplier=np.full_like(own["multiplier"], 1 << 30))
    else:
        model = changed(model, "dense", shift=np.zeros_like(own["shift"]))
    files = write_network_c99(model, name="net", core=CORE)
    assert files["net.c"].count("static const net_layer layer = {") == 2
    assert "_dots" in files["net.c"]
    x = inputs(model, 100)
    outputs = load_together({"net": files}, tmp_path, flags=FLAGS)["net"].network(x)
    np.testing.assert_array_equal(outputs, run_integer(model, x).reshape(100, -1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_vectors_of_any_length_give_the_bytes_of_the_reference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing := missing_tools(CORE):
        left_out(f"{', '.join(missing)}: {CORE} is emulated")
    counts: dict[tuple[str, str, int], int] = {}
    for rounding in ROUNDINGS:
        model = network(name, rounding)
        x = inputs(model, 25)
        sizes = (math.prod(model.values[i].shape) for i in (model.input, model.output))
        entry = Entry("net.h", "static net_network_context context; net_network(&context, in, out);", *sizes)
        wanted = run_integer(model, x).reshape(25, -1)
        forms = [(CORE, "", bits) for bits in LENGTHS]
        for core, less, bits in (*forms, (CORE, "#define net_NO_ASSEMBLY\n", 128), ("", "", 128)):
            target = replace(board(CORE), emulating=("-cpu", f"rv32,v=true,vlen={bits}"))
            monkeypatch.setattr(emulator, "board", lambda _, target=target: target)
            files = {file: less + text for file, text in write_network_c99(model, name="net", core=core).items()}
            for optimise in ("-Os", "-O2") if less else ("-O2",):
                run = run_on_device(files, entry, CORE, in_c(model, x), optimise=optimise)
                np.testing.assert_array_equal(run.outputs.view(np.int8), wanted)
            counts[core, less, bits] = run.instructions
    portable, shortest = counts["", "", 128], counts[CORE, "", 128]
    assert shortest < portable
    assert counts[CORE, "", 1024] <= counts[CORE, "", 256] <= shortest


@pytest.mark.slow
def test_a_pipeline_with_vectors_answers_as_the_portable_one() -> None:
    if missing := missing_tools(CORE):
        left_out(f"{', '.join(missing)}: {CORE} is emulated")
    graph, x = small("conv1d"), np.random.default_rng(2).standard_normal((20, 3, 32)).astype(np.float32)
    x[3, 1, 4] = np.nan
    call = "static m_context context; m_answer made; m_predict(&context, in, &made); "
    call += "for (int i = 0; i < 3; ++i) ((float *)out)[i] = made.probabilities[i];"
    runs = [
        run_on_device(
            write_c99(graph, CodeOptions("m", core=core), network("conv1d")), Entry("m.h", call, 384, 12), CORE, x
        )
        for core in (CORE, "")
    ]
    np.testing.assert_array_equal(runs[0].outputs, runs[1].outputs)
    assert len(np.unique(runs[0].outputs, axis=0)) > 5
    assert runs[0].instructions < runs[1].instructions
