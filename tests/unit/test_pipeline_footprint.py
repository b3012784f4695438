"""Footprints from graphs: exact where the C writer's plan is exact, close where it is modelled, and told otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from benchmarks.estimate.draft import Draft
from benchmarks.estimate.simple import fitted_model, simple_subjects
from benchmarks.estimate.subjects import Subject, hapt_subjects, row_subjects

from edgewright.export import contract
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.emulator import missing_tools
from edgewright.export.program import program_of
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.cost.footprint import as_integers, footprint, form_footprint
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import over_budget
from edgewright.profiles.misses import own
from edgewright.schema.errors import CheckFailedError, InputError
from edgewright.schema.footprint import Budget, Spread
from edgewright.schema.graph import Graph, Node, Value
from edgewright.schema.integer import IntegerNetwork
from edgewright.workflows.estimation.accelerators import accelerators
from edgewright.workflows.estimation.workflow import estimate_place, truth_of
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


@pytest.mark.slow
@EMULATED
@pytest.mark.parametrize(
    ("core", "sort"),
    [("cortex-m4", "network for two multipliers"), ("cortex-m0plus", "network")],
)
def test_estimates_are_near_what_is_compiled_and_counted(core: str, sort: str, tmp_path: Path) -> None:
    for name in ("5.0", "5.3"):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(to_onnx(SUBJECTS[name].small or SUBJECTS[name].graph))
        estimate, _ = estimate_place(path, load_profile(core), compiled=True)
        assert estimate.footprint.flash.how == "compiled"
        assert _known(estimate.footprint.instructions).how == "counted"
        assert _known(estimate.footprint.latency_us).how == "modelled"
        assert estimate.before.flash.value == pytest.approx(estimate.footprint.flash.value, rel=0.1)
        assert estimate.before.ram.value == pytest.approx(estimate.footprint.ram.value, rel=0.05)
        assert _known(estimate.before.instructions).value == pytest.approx(
            _known(estimate.footprint.instructions).value, rel=0.15
        )
    kept, text = own()
    assert text == ""
    assert {(m.kind, m.quantity) for m in kept} == {(f"{core} {sort}", q) for q in ("flash", "ram", "instructions")}
    assert len(kept) == 6


@pytest.mark.slow
def test_code_in_lanes_is_estimated_and_not_the_portable_code() -> None:
    if missing := missing_tools("riscv32v"):
        left_out(f"{', '.join(missing)}: riscv32v is emulated")
    draft = Draft("lanes", (3, 16, 16), 7).conv(40, 3, 2).depthwise(3).conv(64, 1).pool("GlobalAveragePool")
    convolutions = draft.dense(10, "").subject("int8")
    for subject in (convolutions, *row_subjects(2, 5)):
        estimate, counted = subject.estimate(load_profile("riscv32v")), subject.truth("riscv32v")
        assert estimate.flash.value == pytest.approx(counted.flash, rel=0.1)
        assert estimate.ram.value == pytest.approx(counted.ram, rel=0.06)
        assert _known(estimate.instructions).value == pytest.approx(counted.instructions, rel=0.25)
    lanes, portable = (convolutions.estimate(load_profile(core)).instructions for core in ("riscv32v", "riscv32"))
    assert _known(portable).value > 4 * _known(lanes).value


@pytest.mark.slow
@EMULATED
def test_programs_unlike_the_fitted_have_bars_of_their_own(tmp_path: Path) -> None:
    """A threshold is far below what was fitted on: its bar holds, and its miss widens no network's."""
    network, profile = SUBJECTS["5.0"].small, load_profile("cortex-m4")
    assert network is not None
    fitted = form_footprint(profile, network)
    nodes = (
        Node(op="Greater", inputs=("x", "limit"), outputs=("above",)),
        Node(op="Cast", inputs=("above",), outputs=("y",), attributes={"to": 1}),
    )
    rule = Graph(
        name="rule", inputs=(Value(name="x", shape=(1,)),), outputs=(Value(name="y", shape=(1,)),), nodes=nodes,
        constants={"limit": np.array([0.5], np.float32)},
    )  # fmt: skip
    path = tmp_path / "rule.onnx"
    path.write_bytes(to_onnx(rule))
    estimate, _ = estimate_place(path, profile, compiled=True)
    for before, after in (
        (estimate.before.flash, estimate.footprint.flash),
        (estimate.before.ram, estimate.footprint.ram),
        (_known(estimate.before.instructions), _known(estimate.footprint.instructions)),
    ):
        # The compiler keeps the four bytes of the comparison in a register.
        assert before.low - 4 <= after.value <= before.high
        assert "smaller program" in before.source
    kept = own()[0]
    assert {miss.kind for miss in kept} == {"cortex-m4 smaller program"}
    assert form_footprint(profile, network, own=kept) == fitted


@pytest.mark.slow
@EMULATED
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33"])
def test_programs_smaller_than_networks_are_near_what_is_counted(core: str) -> None:
    """Rules and trees of some hundred bytes are weighed together with networks."""
    profile = load_profile(core)
    for subject in simple_subjects(6, 21):
        truth = truth_of(subject.graph, None, core, subject.row)
        estimate = footprint(profile, subject.graph, bits=32)
        for name, limit in (("flash", 0.3), ("ram", 0.3), ("instructions", 0.5)):
            spread, true = getattr(estimate, name), getattr(truth, name)
            assert abs(spread.value / true - 1) <= limit, (subject.name, name, spread.value, true)


def _majority(task: str) -> tuple[Graph, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
    y = np.where(X[:, 0] > 0.3, "a", "b") if task == "classification" else X[:, 0].astype(np.float64)
    return fitted_model("majority", [], X, y, task, 0), X[0]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_majority_has_a_price(task: str) -> None:
    estimate = form_footprint(load_profile("cortex-m4"), _majority(task)[0])
    assert estimate.flash.value < 500
    assert _known(estimate.instructions).value < 200
    assert estimate.latency_us is not None


@pytest.mark.slow
@EMULATED
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_majority_takes_what_its_bars_say(task: str) -> None:
    # Nine of ten bars are to hold: one that is missed by a twentieth says no more than that.
    graph, row = _majority(task)
    estimate, truth = form_footprint(load_profile("cortex-m4"), graph), truth_of(graph, None, "cortex-m4", row)
    for name in ("flash", "ram", "instructions"):
        spread = _known(getattr(estimate, name))
        assert 0.95 * spread.low <= getattr(truth, name) <= 1.05 * spread.high, (name, spread, truth)


def test_small_networks_have_the_bars_of_networks() -> None:
    small = next(subject.small for subject in row_subjects(1, 8))
    assert small is not None
    assert "smaller program" not in form_footprint(load_profile("cortex-m4"), small).flash.source


def test_a_measurement_from_a_board_is_kept(tmp_path: Path) -> None:
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
    kept = own()[0]
    assert [(m.kind, m.quantity, m.measured) for m in kept] == [("nrf52840", "latency", 9_000.0)]


def test_compiling_is_refused_where_nothing_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(to_onnx(SUBJECTS["5.3"].graph))
    with pytest.raises(InputError, match="a microcontroller"):
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
