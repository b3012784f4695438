"""What one call of generated C works out: exact where taps lie outside the image; unknown where nothing was fitted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from benchmarks.estimate.draft import Draft

from edgewright.export import contract
from edgewright.export.program import program_of
from edgewright.export.subject import read_subject
from edgewright.graph.cost import cost
from edgewright.pipeline.cost.footprint import form_footprint
from edgewright.profiles import cores
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import estimate, over_budget, program_footprint, strange
from edgewright.schema.footprint import Budget
from edgewright.schema.graph import Graph
from edgewright.workflows.estimation.workflow import estimate_place
from support import shared_data

MODELS = (
    "ad01_fp32", "ad01_int8", "kws_ref_model", "kws_ref_model_float32", "pretrainedResnet", "pretrainedResnet_quant",
    "str_ww_ref_model", pytest.param("vww_96_int8", marks=pytest.mark.slow),
)  # fmt: skip
# Counted on an emulated Cortex-M4.
COUNTED = {"kws_ref_model": 3_417_720, "pretrainedResnet_quant": 13_755_640, "ad01_int8": 287_563}
# Fewer instructions than products: two of them are one instruction.
DUAL = 2.0
CORE = load_profile("cortex-m4")


@pytest.mark.parametrize("name", MODELS)
def test_no_network_takes_fewer_instructions_than_it_multiplies(name: str) -> None:
    """Coefficients of programs without any loop were laid on what has no softmax: 2,598 for 11 million."""
    graph = read_subject(next(shared_data("mlperf-tiny").rglob(f"{name}.tflite"))).graph
    instructions = form_footprint(CORE, graph).instructions
    assert instructions is not None
    assert instructions.value > cost(graph).total.macs / (
        1.0 if contract.Subject("m", graph).integers is None else DUAL
    )
    if name in COUNTED:
        assert instructions.value == pytest.approx(COUNTED[name], rel=0.05)
        assert instructions.low <= COUNTED[name] <= instructions.high


@pytest.mark.parametrize("form", ["float", "int8"])
def test_a_regressor_of_convolutions_is_a_network(form: str) -> None:
    subject = (
        Draft("series", (3, 60), 4).conv(12, 5).conv(16, 5, 2).pool("GlobalAveragePool").dense(1, "").subject(form)
    )
    instructions = subject.estimate(CORE).instructions
    assert instructions is not None
    assert instructions.value > cost(subject.graph).total.macs / (1.0 if form == "float" else DUAL)


@pytest.mark.parametrize(("stride", "kernel", "side"), [(1, 3, 5), (2, 5, 9), (1, 7, 4)])
def test_taps_outside_the_image_are_not_counted(stride: int, kernel: int, side: int) -> None:
    channels, filters = 2, 4
    subject = Draft("one", (channels, side, side), 3).conv(filters, kernel, stride).dense(1, "").subject("int8")
    assert subject.small is not None
    run = program_of(subject.small, contract.Subject("m", subject.small).integers).run
    before = kernel // 2
    inside = [
        sum(0 <= index * stride - before + tap < side for tap in range(kernel)) for index in range(-(-side // stride))
    ]
    macs = channels * sum(inside) ** 2
    convolved = {kind: count for kind, count in run.items() if kind.startswith("dots4_less")}
    assert 2 * convolved["dots4_less pair"] + convolved["dots4_less odd"] == macs
    floats = program_of(subject.graph).run
    assert floats["Conv sum"] == filters * macs


@pytest.mark.parametrize(("stride", "kernel", "side"), [(1, 3, 5), (2, 5, 9), (1, 7, 4), (2, 3, 6)])
def test_for_two_multipliers_bytes_inside_the_image_are_copied_and_the_others_filled(
    stride: int, kernel: int, side: int
) -> None:
    channels, filters = 2, 4
    subject = Draft("one", (channels, side, side), 3).conv(filters, kernel, stride).dense(1, "").subject("int8")
    assert subject.small is not None
    run = program_of(subject.small, contract.Subject("m", subject.small).integers, core="cortex-m4").run
    starts = [index * stride - kernel // 2 for index in range(-(-side // stride))]
    inside = [sum(0 <= start + tap < side for tap in range(kernel)) for start in starts]
    places, taps = len(starts) ** 2, channels * kernel**2
    # Of an odd number of places the last is worked out twice.
    copied = channels * (sum(inside) ** 2 + (inside[-1] ** 2 if places % 2 else 0))
    pairs = -(-places // 2)
    assert run["dual patch byte"] == copied
    assert run["dual patch filled byte"] == 2 * pairs * taps - copied
    assert run["dual two_places block"] == pairs * filters / 4
    assert run["dual two_places pair"] == pairs * filters / 4 * -(-taps // 4) * 2


def test_layers_of_rows_and_planes_are_counted_by_what_they_turn() -> None:
    draft = Draft("both", (8, 6, 5), 3).depthwise(3).pool("GlobalAveragePool").dense(10).dense(3, "")
    subject = draft.subject("int8")
    program = subject.exactly("cortex-m4")
    # 8 channels are two planes of 6 by 5 places and 9 taps; 8 and 10 inputs
    # are 4 and 5 pairs, 10 and 3 rows 3 blocks and 1.
    assert program.run["dual planes"] == 2
    assert program.run["dual planes tap"] == 2 * 30 * 9
    assert program.run["dual word"] == 2 * 30
    assert program.run["dual layer block"] == 3 + 1
    assert program.run["dual layer pair"] == 3 * 4 + 1 * 5
    assert not {kind for kind in program.run if kind.startswith(("dots", "depthwise ", "dense "))}
    assert program.written["dual instruction"] > 100
    assert not {kind for kind in subject.exactly("cortex-m0plus").run if "dual" in kind}


@pytest.mark.parametrize(("stride", "kernel", "side"), [(1, 3, 5), (2, 5, 9), (1, 7, 4), (2, 3, 6)])
def test_in_lanes_taps_outside_the_image_are_not_counted(stride: int, kernel: int, side: int) -> None:
    channels, filters = 3, 40
    draft = Draft("one", (channels, side, side), 3).conv(filters, kernel, stride).depthwise(3).dense(1, "")
    run = draft.subject("int8").exactly("riscv32v").run

    def inside(kernel: int, stride: int, side: int) -> list[int]:
        starts = [index * stride - kernel // 2 for index in range(-(-side // stride))]
        return [sum(0 <= start + tap < side for tap in range(kernel)) for start in starts]

    # Forty channels are two strips; a row of taps is one run of bytes, of which a turn takes four.
    taps = inside(kernel, stride, side)
    places, bytes_of_runs = len(taps) ** 2, [channels * count for count in taps]
    assert run["lanes filters strip"] == run["lanes planes strip"] == 2 * places
    assert run["lanes filters row"] == 2 * sum(taps) * len(taps)
    assert run["lanes filters turn"] == 2 * sum(taps) * sum(count // 4 for count in bytes_of_runs)
    assert run["lanes filters rest"] == 2 * sum(taps) * sum(count % 4 for count in bytes_of_runs)
    assert run["lanes planes tap"] == 2 * sum(inside(3, 1, len(taps))) ** 2
    assert run["call filters"] == run["call planes"] == places


def test_layers_in_lanes_are_counted_by_their_channels() -> None:
    subject = Draft("rows", (10,), 3).dense(33).dense(3, "").subject("int8")
    program = subject.exactly("riscv32v")
    assert program.run["lanes filters strip"] == 2 + 1
    assert program.run["lanes filters turn"] == 2 * 2 + 8
    assert program.run["lanes filters rest"] == 2 * 2 + 1
    assert program.written["lanes instruction"] > 80
    assert not {kind for kind in program.run if kind.startswith(("dots", "dense "))}
    assert not {kind for kind in subject.exactly("riscv32").run if "lanes" in kind}


def _odd() -> Graph:
    """Return a network whose last function no fitted program calls."""
    draft = Draft("odd", (6,), 2).dense(4)
    draft.act("Erf")
    return draft.dense(2, "").finish()


def test_what_no_fitted_program_has_is_unknown_everywhere() -> None:
    program = program_of(_odd())
    assert "erf" in strange(cores.core("cortex-m4"), program)
    footprint = program_footprint(CORE, program, form="float", buffer_bytes=40)
    assert (footprint.instructions, footprint.latency_us, footprint.energy_uj) == (None, None, None)
    assert (footprint.flash.how, footprint.flash.value, footprint.flash.low) == (
        "at least",
        program.constants,
        program.constants,
    )
    assert footprint.ram.value == program.values + 40
    assert "unknown: no program that estimates were fitted on has" in footprint.notes[0]
    assert "latency is not known" in over_budget(footprint, Budget(latency_us=1e6))[0]
    assert over_budget(footprint, Budget(flash=1))[0].startswith("flash")
    record = estimate(CORE, footprint, deadline_us=1e6)
    assert [row.name for row in record.rows] == ["flash", "RAM"]
    assert any("unknown" in note for note in record.notes)


def test_a_program_longer_than_any_fitted_is_unknown() -> None:
    program = Draft("long", (3, 32), 2).conv(8, 3).dense(2, "").subject("float").exactly("")
    table = cores.core("cortex-m4")
    assert not strange(table, program)
    long = {kind: count * 1e6 for kind, count in program.run.items()}
    assert "times as long" in strange(table, msgspec.structs.replace(program, run=long))


def test_a_model_that_was_not_fitted_on_is_told_as_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgewright.graph.onnx_writer import to_onnx

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "odd.onnx"
    path.write_bytes(to_onnx(_odd()))
    estimate, _ = estimate_place(path, CORE, compiled=False)
    assert estimate.footprint.instructions is None
    assert np.isfinite(estimate.footprint.flash.high)
