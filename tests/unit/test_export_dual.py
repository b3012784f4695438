"""Integer C for cores with two 16-bit multipliers: the same bytes in assembly, intrinsics and C99; bounds that hold."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from c99_examples import ROUNDINGS, load_together
from c99_stages import need_compiler
from core_networks import NETWORKS, changed, inputs, network
from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import run_integer
from edgewright.core.records.network import IntegerNetwork, Rounding
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99, write_network_c99
from edgewright.export.c99_host.host import STRICT, CModel
from edgewright.export.emulator import Entry, board, missing_tools, run_on_device
from edgewright.graph.extract import integer_network, marked_stages
from integer_networks import in_c, small
from runtime_example import classifier
from support import left_out

CORE = "cortex-m4"
FLAGS = (*STRICT, "-O1", "-ffp-contract=off")
# What the generated text has instead of the portable sums where the bounds hold.
KERNELS = {"dense": "_dense_", "conv": "_two_places(", "depthwise": "_planes_"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CModel]:
    """Return every network, compiled together by this machine's compiler: C99 stands for the instructions."""
    need_compiler()
    files_of = {
        f"{r}_{n}": write_network_c99(network(n, r), name=f"{r}_{n}", core=CORE) for n in NETWORKS for r in ROUNDINGS
    }
    return load_together(files_of, tmp_path_factory.mktemp("networks"), flags=FLAGS)


@pytest.fixture(autouse=True)
def gcc_and_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count with GCC: the paths are written for how it orders instructions."""
    monkeypatch.setenv("EDGEWRIGHT_EMULATOR", "qemu")


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", NETWORKS)
def test_c99_in_place_of_the_instructions_gives_the_bytes_of_the_reference(
    name: str, rounding: Rounding, models: dict[str, CModel]
) -> None:
    built = network(name, rounding)
    x = inputs(built, 200)
    before = x.copy()
    model, wanted = models[f"{rounding}_{name}"], run_integer(built, x).reshape(200, -1)
    np.testing.assert_array_equal(model.network(in_c(built, x)), wanted)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_operator_with_weights_takes_the_two_multipliers(name: str) -> None:
    model = network(name)
    text = write_network_c99(model, name="net", core=CORE)["net.c"]
    for kind in {operator.kind for operator in model.operators} & set(KERNELS):
        assert KERNELS[kind] in text
    assert "_dots" not in text


def test_cores_without_them_and_float_networks_get_portable_code() -> None:
    for core in ("", "cortex-m0plus", "riscv32"):
        assert write_network_c99(network("conv1d"), name="net", core=core) == write_network_c99(
            network("conv1d"), name="net"
        )


@pytest.mark.parametrize("kind", ["weight", "sum", "tie"])
def test_a_bound_that_does_not_hold_leaves_portable_code(kind: str, tmp_path: Path) -> None:
    need_compiler()
    model = network("dense")
    own = next(operator for operator in model.operators if operator.kind == "dense").arrays
    if kind == "weight":
        weights = own["weights"].copy()
        weights[3, 2] = -128
        model = changed(model, "dense", weights=weights)
    elif kind == "sum":
        model = changed(model, "dense", bias=own["bias"] + (1 << 23))
    else:  # products that end with 32 zeros are possible: a tie could be taken for less
        model = changed(model, "dense", multiplier=np.full_like(own["multiplier"], 1 << 30))
    files = write_network_c99(model, name="net", core=CORE)
    assert "_dots" in files["net.c"]
    x = inputs(model, 100)
    outputs = load_together({"net": files}, tmp_path, flags=FLAGS)["net"].network(x)
    np.testing.assert_array_equal(outputs, run_integer(model, x).reshape(100, -1))


def test_a_channel_whose_byte_never_changes_keeps_no_other_from_the_multipliers(tmp_path: Path) -> None:
    need_compiler()
    model = network("separable")
    own = next(operator for operator in model.operators if operator.kind == "conv").arrays
    bias, multiplier, shift = own["bias"].copy(), own["multiplier"].copy(), own["shift"].copy()
    bias[[1, 2]] = 2**30, -(2**30)
    multiplier = np.broadcast_to(multiplier, bias.shape).copy()
    shift = np.broadcast_to(shift, bias.shape).copy()
    shift[[1, 2]] = -5, -20
    model = changed(model, "conv", bias=bias, multiplier=multiplier, shift=shift)
    files = write_network_c99(model, name="net", core=CORE)
    assert "_two_places(" in files["net.c"]
    x = inputs(model, 100)
    outputs = load_together({"net": files}, tmp_path, flags=FLAGS)["net"].network(in_c(model, x))
    np.testing.assert_array_equal(outputs, run_integer(model, x).reshape(100, -1))


def test_layers_that_a_proof_looks_at_are_narrowed_for_it_alone() -> None:
    graph, inside = marked_stages(small("dense"), network("dense"))
    shown = write_c99(graph, CodeOptions("net", core=CORE, inside=inside), network("dense"))["net.c"]
    text = write_c99(graph, CodeOptions("net", core=CORE), network("dense"))["net.c"]
    call = "net_narrow_bytes("
    assert text.count(f"        {call}") == 1
    inner = shown.split("NET_TAPS")
    assert sum(part.count(f"        {call}") for part in inner[1::2]) >= 2


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_c99_in_place_of_vectors_gives_the_bytes_of_the_reference(rounding: Rounding, tmp_path: Path) -> None:
    need_compiler()
    model = network("long", rounding)
    files = write_network_c99(model, name="net", core="cortex-m55")
    assert files["net.c"].count("vmladavaq_s8(") == 4 + 1
    x = inputs(model, 100)
    outputs = load_together({"net": files}, tmp_path, flags=FLAGS)["net"].network(in_c(model, x))
    np.testing.assert_array_equal(outputs, run_integer(model, x).reshape(100, -1))


def compiled(model: IntegerNetwork, core: str, folder: Path, *flags: str) -> str:
    """Return what the compiler of a core says of a network's C, which becomes `net.o` there."""
    compiler = board(core).tools.compiler
    if not shutil.which(compiler):
        left_out(f"{compiler} of gcc-arm-none-eabi")
    for file, text in write_network_c99(model, name="net", core=core).items():
        (folder / file).write_text(text, encoding="utf-8")
    command = [compiler, *STRICT, "-O2", *board(core).options, *flags, "-c", "net.c", "-o", "net.o"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("less", [(), ("-Dnet_NO_ASSEMBLY",), ("-Dnet_NO_INTRINSICS",)])
@pytest.mark.parametrize(("name", "core"), [("dense", CORE), ("blocks", CORE), ("long", "cortex-m55")])
def test_every_path_compiles_without_a_warning(name: str, core: str, less: tuple[str, ...], tmp_path: Path) -> None:
    assert compiled(network(name), core, tmp_path, *less) == ""


def test_many_layers_take_no_more_of_the_stack_than_few(tmp_path: Path) -> None:
    """Addresses of the layers are not kept in registers, which would be saved."""
    rows = np.random.default_rng(0).normal(size=(60, 10)).astype(np.float32)
    model = integer_network(quantise(classifier((10, 24, 40, 24, 40, 24, 40, 3)), rows))
    assert compiled(model, CORE, tmp_path, "-fstack-usage") == ""
    usage = [line.split() for line in (tmp_path / "net.su").read_text().splitlines()]
    assert [int(size) for function, size, _ in usage if function.endswith(":net_network")] == [16]


@pytest.mark.slow
def test_vectors_give_the_bytes_of_the_reference() -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    model, counts = network("long"), []
    x = inputs(model, 25)
    entry = Entry("net.h", "static net_network_context context; net_network(&context, in, out);", 75, 5)
    files = write_network_c99(model, name="net", core="cortex-m55")
    for less in ("", "#define net_NO_INTRINSICS\n"):
        run = run_on_device({name: less + text for name, text in files.items()}, entry, "cortex-m55", in_c(model, x))
        np.testing.assert_array_equal(run.outputs.view(np.int8), run_integer(model, x).reshape(25, -1))
        counts.append(run.instructions)
    assert counts[0] < counts[1]


@pytest.mark.slow
def test_layers_of_fewer_inputs_than_a_turn_of_the_loop_takes_end() -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    model = network("narrow")
    x = inputs(model, 25)
    entry = Entry("net.h", "static net_network_context context; net_network(&context, in, out);", 2, 1)
    run = run_on_device(write_network_c99(model, name="net", core=CORE), entry, CORE, x)
    np.testing.assert_array_equal(run.outputs.view(np.int8), run_integer(model, x).reshape(25, 1))
    assert len(np.unique(run.outputs)) > 5


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
@pytest.mark.parametrize("name", NETWORKS)
def test_assembly_and_intrinsics_give_the_bytes_of_the_reference(name: str, device: str) -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    counts = {}
    for rounding in ROUNDINGS:
        model = network(name, rounding)
        x = inputs(model, 25)
        sizes = (math.prod(model.values[i].shape) for i in (model.input, model.output))
        entry = Entry("net.h", "static net_network_context context; net_network(&context, in, out);", *sizes)
        wanted = run_integer(model, x).reshape(25, -1)
        for core, less in (("", ""), (device, ""), (device, "#define net_NO_ASSEMBLY\n")):
            files = {file: less + text for file, text in write_network_c99(model, name="net", core=core).items()}
            # The other cores differ in how the compiler orders instructions; portable code has tests of its own.
            for optimise in ("-Os", "-O2") if core == CORE else ("-O2",):
                run = run_on_device(files, entry, device, in_c(model, x), optimise=optimise)
                np.testing.assert_array_equal(run.outputs.view(np.int8), wanted)
            counts[core, less] = run.instructions
    # Each path is faster than the one before.
    assert counts["", ""] > counts[device, "#define net_NO_ASSEMBLY\n"] > counts[device, ""]
