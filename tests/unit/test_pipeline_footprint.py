"""Footprints from graphs: exact where the C writer's plan is exact, close where it is modelled, and told otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from benchmarks.estimate.draft import Draft
from benchmarks.estimate.simple import fitted_model, simple_subjects
from benchmarks.estimate.subjects import Subject, hapt_subjects, row_subjects

from edgewright.core.errors import CheckFailedError, ExportError
from edgewright.core.records.footprint import Budget, Spread
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.export import contract
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.emulator import missing_tools
from edgewright.export.write import program_of
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.cost import as_integers, footprint, form_footprint
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import over_budget
from edgewright.workflows.estimation import accelerators, estimate_place, truth_of
from support import left_out

SUBJECTS = {s.name: s for s in hapt_subjects(5, 5)}
EMULATED = pytest.mark.skipif(bool(missing_tools()), reason="no cross compiler or emulator")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(params=sorted(SUBJECTS))
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[str(request.param)]


@pytest.mark.parametrize("core", ["", "cortex-m4"])
def test_tables_and_memory_are_those_that_the_header_states(subject: Subject, core: str) -> None:
    graph = subject.small or subject.graph
    network = contract.Subject("m", graph).integers
    program = program_of(graph, network, core=core)
    header = write_c99(graph, CodeOptions("m", core=core), network)["m.h"]
    ram = re.search(r"Memory: (\d+) bytes of RAM", header)
    constants = re.search(r"(\d+) bytes of constants", header)
    assert ram is not None
    assert constants is not None
    assert (program.values, program.constants) == (int(ram[1]), int(constants[1]))
    assert all(count >= 0 for count in (*program.written.values(), *program.run.values()))


def test_untrained_weights_do(subject: Subject) -> None:
    """The program that is counted before a calibration is the one after it, but for what a calibration decides."""
    if subject.small is None:
        return
    before = program_of(*_form(as_integers(subject.graph)))
    after = program_of(*_form(subject.small))
    assert before.values == after.values
    assert before.constants == pytest.approx(after.constants, rel=0.02)


def _known(spread: Spread | None) -> Spread:
    assert spread is not None
    return spread


def _form(graph: Graph) -> tuple[Graph, IntegerNetwork | None]:
    return graph, contract.Subject("m", graph).integers


def test_biases_without_training_take_their_table() -> None:
    subject = next(s for s in hapt_subjects(4, 6, trained=False) if s.small is not None)
    trained = next(s for s in hapt_subjects(4, 6) if s.name == subject.name)
    core = load_profile("cortex-m4")
    assert footprint(core, subject.graph).flash.value == pytest.approx(
        footprint(core, trained.graph).flash.value, rel=1e-3
    )


def test_bits_and_the_window_beside_it(subject: Subject) -> None:
    core = load_profile("cortex-m4")
    small, whole = footprint(core, subject.graph), footprint(core, subject.graph, bits=32)
    assert (small.form, whole.form) == ("int8", "float")
    assert small.flash.value < whole.flash.value
    assert footprint(core, subject.graph, bits=4).form == "int4"
    wider = footprint(core, subject.graph, buffer_bytes=1000)
    assert wider.ram.value == small.ram.value + 1000
    assert wider.ram.high - wider.ram.low == pytest.approx(small.ram.high - small.ram.low)


def test_slower_cores_take_longer() -> None:
    graph = SUBJECTS["5.0"].graph
    times = {
        name: _known(footprint(load_profile(name), graph).latency_us).value
        for name in ("cortex-m7", "cortex-m4", "rp2040")
    }
    assert times["cortex-m7"] < times["cortex-m4"] < times["rp2040"]


def test_by_how_much_it_is_beyond() -> None:
    footprint_of_network = footprint(load_profile("cortex-m4"), SUBJECTS["5.0"].graph)
    assert over_budget(footprint_of_network, Budget()) == ()
    lines = over_budget(footprint_of_network, Budget(flash=1000, ram=1000, latency_us=1.0, energy_uj=1.0))
    assert [sentence.split()[0] for sentence in lines] == ["flash", "RAM", "latency", "energy"]
    assert "beyond 1.00 kB" in lines[0]
    assert "no active power" in lines[3]


def test_what_has_no_c_form_is_estimated_roughly() -> None:
    graph = SUBJECTS["5.0"].graph
    odd = msgspec.structs.replace(graph, inputs=(msgspec.structs.replace(graph.inputs[0], dtype="int32"),))
    estimate = form_footprint(load_profile("cortex-m4"), odd)
    assert estimate.notes[0].startswith("no C form: ")
    assert _known(estimate.instructions).how == "modelled"


def count_covered(pairs: Iterable[tuple[Spread, float]]) -> tuple[int, int]:
    """Return how many measured values lie within the error bars of their estimates, and how many pairs there are.

    The bars are widened by 5 %: a value that misses the end of a bar by less counts as covered.
    """
    covered = [0.95 * spread.low <= true <= 1.05 * spread.high for spread, true in pairs]
    return sum(covered), len(covered)


@pytest.mark.slow
@EMULATED
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_estimates_are_near_what_is_compiled_and_counted(core: str, tmp_path: Path) -> None:
    for name in ("5.0", "5.3"):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(to_onnx(SUBJECTS[name].small or SUBJECTS[name].graph))
        estimate, _ = estimate_place(path, load_profile(core), compiled=True)
        assert estimate.footprint.flash.how == "compiled"
        assert _known(estimate.footprint.instructions).how == "counted"
        assert _known(estimate.footprint.latency_us).how == "modelled"
        assert estimate.before.flash.value == pytest.approx(estimate.footprint.flash.value, rel=0.1)
        assert estimate.before.ram.value == pytest.approx(estimate.footprint.ram.value, rel=0.05)
        counted = _known(estimate.footprint.instructions).value
        assert count_covered([(_known(estimate.before.instructions), counted)]) == (1, 1)


@pytest.mark.slow
def test_code_in_lanes_is_estimated_and_not_the_portable_code() -> None:
    if missing := missing_tools("riscv32v"):
        left_out(f"{', '.join(missing)}: riscv32v is emulated")
    draft = Draft("lanes", (3, 16, 16), 7).conv(40, 3, 2).depthwise(3).conv(64, 1).pool("GlobalAveragePool")
    convolutions = draft.dense(10, "").subject("int8")
    pairs = []
    for subject in (convolutions, *row_subjects(2, 5)):
        estimate, counted = subject.estimate(load_profile("riscv32v")), subject.truth("riscv32v")
        pairs += [(estimate.flash, counted.flash), (estimate.ram, counted.ram)]
        pairs += [(_known(estimate.instructions), counted.instructions)]
    covered, count = count_covered(pairs)
    assert covered >= 0.8 * count
    lanes, portable = (convolutions.estimate(load_profile(core)).instructions for core in ("riscv32v", "riscv32"))
    assert _known(portable).value > 3 * _known(lanes).value


@pytest.mark.slow
@EMULATED
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33"])
def test_error_bars_of_rules_and_trees_hold(core: str) -> None:
    """Programs of some hundred bytes: their error bars cover 8 of 10 measured values (9 of 10 over all programs)."""
    profile = load_profile(core)
    pairs = []
    for subject in simple_subjects(6, 21):
        truth, estimate = truth_of(subject.graph, None, core, subject.row), footprint(profile, subject.graph, bits=32)
        pairs += [(_known(getattr(estimate, name)), getattr(truth, name)) for name in ("flash", "ram", "instructions")]
    covered, count = count_covered(pairs)
    assert covered >= 0.8 * count


def _majority(task: str) -> tuple[Graph, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
    y = np.where(X[:, 0] > 0.3, "a", "b") if task == "classification" else X[:, 0].astype(np.float64)
    return fitted_model("majority", [], X, y, task, 0), X[0]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_majority_has_a_price(task: str) -> None:
    estimate = form_footprint(load_profile("cortex-m4"), _majority(task)[0])
    assert estimate.flash.value < 500
    assert _known(estimate.instructions).value < 1_000
    assert estimate.latency_us is not None


@pytest.mark.slow
@EMULATED
def test_error_bars_of_a_constant_model_hold() -> None:
    pairs = []
    for task in ("classification", "regression"):
        graph, row = _majority(task)
        estimate, truth = form_footprint(load_profile("cortex-m4"), graph), truth_of(graph, None, "cortex-m4", row)
        pairs += [(_known(getattr(estimate, name)), getattr(truth, name)) for name in ("flash", "ram", "instructions")]
    covered, count = count_covered(pairs)
    assert covered >= count - 1


def test_a_measurement_from_a_board_takes_the_place_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(to_onnx(SUBJECTS["5.3"].graph))
    profile = load_profile("nrf52840")
    first, _ = estimate_place(path, profile, compiled=False)
    assert first.footprint == first.before
    assert "latency and energy are modelled, unverified on silicon" in first.footprint.notes
    estimate, _ = estimate_place(path, profile, compiled=False, measured={"latency": 9_000.0})
    assert (_known(estimate.footprint.latency_us).value, _known(estimate.footprint.latency_us).how) == (
        9_000.0,
        "measured",
    )
    assert "energy is modelled, unverified on silicon" in estimate.footprint.notes


def test_compiling_is_refused_where_nothing_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(to_onnx(SUBJECTS["5.3"].graph))
    with pytest.raises(ExportError):
        estimate_place(path, load_profile("x86-64"), compiled=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDGEWRIGHT_EMULATOR", "qemu")
    estimate, _ = estimate_place(path, load_profile("cortex-m4"))
    assert estimate.footprint == estimate.before
    assert "not installed" in estimate.notes[0]
    with pytest.raises(CheckFailedError, match="arm-none-eabi-gcc"):
        estimate_place(path, load_profile("cortex-m4"), compiled=True)


def test_accelerators_of_a_network_and_of_generated_c(subject: Subject) -> None:
    given = contract.Subject("m", subject.small or subject.graph)
    tpu = accelerators(load_profile("coral-edge-tpu"), given)[0]
    assert (tpu.supported == len(tpu.verdicts)) == (subject.small is not None)
    hls = accelerators(load_profile("fpga-hls"), given)[0]
    assert hls.supported == len(hls.verdicts) > 3
    assert np.all([one.how == "checked by rule, not run" for one in (tpu, hls)])
