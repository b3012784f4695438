"""C for a core with float instructions: functions of its own, sums by eights, pairs of channels, less memory."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
from benchmarks.estimate.subjects import fitted, hapt_stages, windows

from c99_stages import need_compiler
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, StageMark
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.linkable import own_functions
from edgewright.export.c99_code.pipeline import lay_out, write_c99
from edgewright.export.c99_code.source import Source, Step, combined, distinct_work
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.channels import LoopWriter
from edgewright.export.c99_host.host import STRICT, compiler_command, load_c99
from edgewright.export.c99_operators.reduction import _EXTREMES, _KNOWN, _SUMS, summing
from edgewright.export.contract import Subject
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.cost import as_integers

CORE = "cortex-m4"
_TEXT = """#include <math.h>
#include <stdint.h>
#include <string.h>
{functions}
void all_of(const float *x, float *y, int count);
void all_of(const float *x, float *y, int count) {{
    for (int i = 0; i < count; ++i, y += 4) {{
        y[0] = {name}logf(x[i]);
        y[1] = {name}expf(x[i]);
        y[2] = {name}sqrtf(x[i]);
        y[3] = {name}roundf(x[i]);
    }}
}}
"""


def phone(samples: int = 128) -> Graph:
    """Return the shipped pipeline `hapt`, untrained, of windows of so many samples."""
    return fitted(hapt_stages(), [{"kind": "dense", "units": 32, "activation": "relu"}], windows(samples, 1), 1, True)


def numbers() -> Floats:
    """Return floats of every size and sign, and those around which functions change."""
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    near = np.concatenate([np.linspace(-110, 90, 40_001), np.linspace(0.4, 2.6, 40_001)]).astype(np.float32)
    edges = np.array(
        [0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, 0.49999997, -0.49999997, np.inf, -np.inf, np.nan, 1e-45], np.float32
    )
    return np.concatenate([bits, near, edges, np.nextafter(edges, np.float32(9))])


def digits(floats: Floats, wanted: Floats) -> float:
    """Return the largest error in digits of the last place; infinite where one alone is finite or not a number."""
    with np.errstate(all="ignore"):
        single = wanted.astype(np.float32)
        if not np.array_equal(np.isnan(floats), np.isnan(single)):
            return np.inf
        real = np.isfinite(single) & np.isfinite(floats)
        if not np.array_equal(floats[~real & ~np.isnan(floats)], single[~real & ~np.isnan(floats)]):
            return np.inf
        return float((np.abs(floats[real] - wanted[real]) / np.spacing(np.abs(single[real]))).max())


def test_own_functions_are_right_to_a_digit_of_the_last_place(tmp_path: Path) -> None:
    need_compiler()
    plain = _TEXT.format(functions="", name="")
    head, _, body = plain.partition("void all_of")
    text = head + own_functions(f"void all_of{body}", "m")
    assert "logf(" not in text.replace("m_", "")
    (tmp_path / "m.c").write_text(text, "utf-8")
    command = [*compiler_command(), *STRICT, "-O2", "-ffp-contract=off", "-shared", "-fPIC", "m.c", "-o", "m.so", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    x = numbers()
    y = np.empty((len(x), 4), np.float32)
    ctypes.CDLL(str(tmp_path / "m.so")).all_of(
        x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), len(x)
    )
    with np.errstate(all="ignore"):
        exact = x.astype(np.float64)
        assert digits(y[:, 0], np.log(exact)) < 1.0
        assert digits(y[:, 1], np.exp(exact)) < 1.0
        assert digits(y[:, 2], np.sqrt(exact)) <= 0.5
        assert digits(y[:, 3], np.trunc(exact + np.copysign(0.5, exact))) == 0.0


@pytest.mark.parametrize(("samples", "paired"), [(128, True), (200, True), (130, False)])
def test_pairs_of_channels_and_ranged_rows_give_what_onnx_gives(tmp_path: Path, samples: int, paired: bool) -> None:
    need_compiler()
    graph = phone(samples)
    unit, _ = lay_out(graph, CodeOptions("model", core=CORE))
    text = "\n".join(line for step in unit.steps for line in step.text)
    assert ("pair < 30" in text) == paired
    assert [routine.ranged for routine in unit.routines] == [True]
    X = windows(samples, 9)[:24]
    X[3, 1, 5:9], X[4, :, 7] = np.nan, np.nan
    flags = (*STRICT, "-O1", "-ffp-contract=off")
    model = load_c99(write_c99(graph, CodeOptions("model", core=CORE)), tmp_path / "fast", flags=flags)
    names = [output.name for output in graph.outputs]
    expected = dict(zip(names, open_session(to_onnx(graph)).run(names, {"input": X}), strict=True))
    np.testing.assert_allclose(model.predict(X).outputs["probabilities"], expected["probabilities"], atol=1e-4)


def test_a_core_with_float_instructions_takes_less_memory() -> None:
    graph = phone()
    fast, plain = (lay_out(graph, CodeOptions("model", core=core))[0].arena().floats for core in (CORE, ""))
    assert fast <= plain - 4 * 128


def test_a_compiler_works_equal_parts_out_once() -> None:
    part = "sqrtf(({0} * {1}))"
    assert distinct_work(Source((1,), "float32", (), f"({part} + ({{1}} - {part}))")) == 1 + 16 + 1 + 1


def test_memory_is_taken_over_where_entries_are_read_before_they_are_written() -> None:
    unit = Unit("m", floats=True)
    first, other = unit.fresh((1, 64)), unit.fresh((1, 64))
    doubled, turned = unit.fresh((1, 64)), unit.fresh((1, 64))
    unit.step(["fill"], (), (first, other))
    unit.copy(combined("({0} + {1})", "float32", (first, other)), doubled)
    unit.copy(combined("({0} + {1})", "float32", (other, doubled.seen(lambda view: view[:, ::-1]))), turned)
    arena = unit.arena([turned.leaves[0].buffer])
    a, b, c, d = (arena.offsets[source.leaves[0].buffer.key] for source in (first, other, doubled, turned))
    # The sum is read backwards: what it is read with alone gives its memory.
    assert (a, b) == (c, d)
    assert arena.floats == 2 * 4 * 64


def test_what_a_loop_reads_again_stays() -> None:
    unit = Unit("m", floats=True)
    given, result = unit.fresh((1, 64)), unit.fresh((1, 64))
    unit.step(["fill"], (), (given,))
    outer, unit.steps = unit.steps, []
    unit.copy(combined("(-{0})", "float32", (given,)), result)
    inner, unit.steps = unit.steps, outer
    unit.steps.append(Step(("for (;;) {",), (), (), inner=tuple(inner)))
    assert unit.arena().floats == 2 * 4 * 64


def test_values_go_to_the_network_as_bytes(tmp_path: Path) -> None:
    need_compiler()
    graph = as_integers(phone())
    producers = {node.outputs[0]: node for node in graph.nodes}
    union = graph.boundary
    while producers[union].op != "Concat":
        union = producers[union].inputs[0]
    marks = (StageMark(stage="union", value=union), StageMark(stage="scale", value=graph.boundary))
    graph = msgspec.structs.replace(graph, stages=marks)
    network = Subject("model", graph).integers
    assert network is not None
    X = windows(128, 9)[:40]
    X[3, 1, 5:9], X[4, :, 7] = np.nan, np.nan
    # The code for a core does not call all of its helpers when a host compiles it, which clang reports.
    flags = (*STRICT, "-Wno-unused-function", "-O1", "-ffp-contract=off")
    fast, plain = (
        load_c99(
            write_c99(graph, CodeOptions("model", core=core), network), tmp_path / f"code{core}", flags=flags
        ).predict(X)
        for core in (CORE, "")
    )
    assert list(fast.stages) == list(plain.stages)
    for name in ("union", "scale"):
        np.testing.assert_allclose(fast.stages[name], plain.stages[name], atol=2e-3)
    np.testing.assert_array_equal(fast.outputs["label"], plain.outputs["label"])
    unit, _ = lay_out(graph, CodeOptions("model", core=CORE), network)
    features = plain.stages["scale"].shape[1]
    assert not [b for step in unit.steps for b in step.buffers if b.kind == "float32" and b.size == features]


def test_rows_that_nothing_picks_are_left_out_of_the_routine(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[tuple[int, bool]] = []
    real = LoopWriter.routine

    def noted(self: LoopWriter, bank: object) -> object:
        plan = real(self, bank)  # type: ignore[arg-type]
        parts[:] = [(rows, bool(step.lines)) for rows, step in plan.parts]
        return plan

    monkeypatch.setattr(LoopWriter, "routine", noted)
    lay_out(phone(), CodeOptions("model", core=CORE))
    # Six channels as they arrive, three drifts of which ranges are read where they lie, three of the body, ...
    assert parts[:3] == [(6, True), (3, False), (3, True)]


@pytest.mark.slow
@pytest.mark.skipif(bool(missing_tools(CORE)), reason="no emulator")
@pytest.mark.parametrize("count", [7, 16, 45, 128, 300])
def test_sums_by_eights_on_the_core(count: int) -> None:
    unit = Unit("m", floats=True)
    unit.helper("apart", "#define @_apart __attribute__((noinline))")
    names = [unit.helper(known.name, known.code(True)) for known in dict.fromkeys(_SUMS.values())]
    names += [str(summing(unit, *key)).split("(")[0] for key in _KNOWN]
    names += [unit.helper(word, _EXTREMES[op]) for word, op in (("most", "ReduceMax"), ("least", "ReduceMin"))]
    given = {
        "m_dot": "x, y",
        "m_rest": "x, 0.5f",
        "m_known_sum": "x, 3.0f, 0.5f",
        "m_moved": "x, 0.5f, 0.25f, y, 0.75f, 1.5f",
    }
    order = list(dict.fromkeys(names))
    lines = [f"((float *)out)[{n}] = {name}({given.get(name, 'x')}, {count});" for n, name in enumerate(order)]
    text = own_functions("\n\n".join(unit.helpers()), "m")
    rng = np.random.default_rng(count)
    rows = rng.normal(1, 2, (3, 2 * count)).astype(np.float32)
    rows[2, count // 2] = np.nan
    call = f"const float *x = in, *y = x + {count}; (void)y; " + " ".join(lines)
    head = f"#include <math.h>\n#include <stdint.h>\n#include <string.h>\n{text}\n"
    done = run_on_device({"m.h": head}, Entry("m.h", call, rows[0].nbytes, 4 * len(order)), CORE, rows)
    outputs = done.outputs.view(np.float32)
    x, y = (part.astype(np.float64) for part in (rows[:, :count], rows[:, count:]))
    wanted = {
        "m_sum": x.sum(1), "m_dot": (x * y).sum(1), "m_rest": (x - 0.5).sum(1), "m_cubes": (x**3).sum(1),
        "m_known_sum": (np.where(np.isnan(x), 3.0, x) - 0.5).sum(1), "m_moved": ((x - 0.75) * (y - 2.25)).sum(1),
        "m_most": x.max(1), "m_least": x.min(1),
    }  # fmt: skip
    assert set(order) == set(wanted)
    for index, name in enumerate(order):
        np.testing.assert_allclose(outputs[:, index], wanted[name], rtol=1e-5, atol=1e-5 * count)
