"""Programs and generated C on emulated microcontrollers: exact counts, bytes that come back, faults."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import get_args

import numpy as np
import pytest

from edgewright.core.errors import CheckFailedError, InputError, StoppedError, UnknownNameError
from edgewright.core.integer.network import run_integer
from edgewright.core.prediction.executor import compile_graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99, write_network_c99
from edgewright.export.emulator import Entry, ToolSet, board, devices, installed_tools, missing_tools, run_on_device
from edgewright.graph.extract import integer_network
from integer_networks import in_c, small
from runtime_example import classifier, numbers
from support import left_out

HEADER = "#include <stdint.h>\nvoid turn(const int8_t *in, int8_t *out);\n"
TURN = """#include "turn.h"
int8_t kept[100];
void turn(const int8_t *in, int8_t *out) {
    for (int i = 0; i < 8; ++i) { kept[i] = (int8_t)(in[i] * 3); out[i] = kept[i]; }
}
"""
ENTRY = Entry("turn.h", "turn((const int8_t *)in, (int8_t *)out);", 8, 8)
ROWS = np.arange(32, dtype=np.int8).reshape(4, 8)
COUNTED = """#include "turn.h"
void turn(const int8_t *in, int8_t *out) {
    (void)in; (void)out;
    unsigned rounds = %d;
#ifdef __riscv
    __asm__ volatile("1: addi %%0, %%0, -1\\nbnez %%0, 1b" : "+r"(rounds));
#else
    __asm__ volatile(".syntax unified\\n1: subs %%0, #1\\nbne 1b" : "+l"(rounds));
#endif
}
"""


# Every core with every set of tools that can emulate it.
CASES = [
    pytest.param(device, tools, id=f"{device}-{tools}")
    for device in devices()
    for tools in get_args(ToolSet)
    if tools == "qemu" or board(device).pip is not None
]


def need_tools(device: str, tools: ToolSet | None = None) -> None:
    """Skip the test if the core cannot be emulated here, with these tools or at all."""
    if tools not in (*installed_tools(device), *([None] if installed_tools(device) else [])):
        left_out(f"{tools or 'tools'} to emulate a {device}")


# The tools of `pip` build their C library once for each core, which takes seconds: one core of them is fast.
@pytest.mark.parametrize(
    ("device", "tools"),
    [
        pytest.param(
            *case.values, marks=[pytest.mark.slow] * (case.values[1] == "pip" and case.values[0] != "cortex-m4")
        )
        for case in CASES
    ],
)
def test_rows_go_in_and_answers_come_out(device: str, tools: ToolSet) -> None:
    need_tools(device, tools)
    run = run_on_device({"turn.h": HEADER, "turn.c": TURN}, ENTRY, device, ROWS, tools=tools)
    assert np.array_equal(run.outputs.view(np.int8), ROWS * 3)
    assert 100 <= run.ram <= 104
    assert 16 <= run.flash <= 224


@pytest.mark.slow
@pytest.mark.parametrize(("device", "tools"), CASES)
def test_instructions_are_counted_exactly_and_again_the_same(device: str, tools: ToolSet) -> None:
    need_tools(device, tools)
    counts = []
    for rounds in (100, 177, 177):
        run = run_on_device({"turn.h": HEADER, "turn.c": COUNTED % rounds}, ENTRY, device, ROWS, tools=tools)
        assert run.counted_within == 0.0
        counts.append(run.instructions)
    assert counts[1] - counts[0] == 2 * 77
    assert counts[1] == counts[2]


@pytest.mark.slow
@pytest.mark.parametrize("tools", get_args(ToolSet))
@pytest.mark.parametrize("device", ["cortex-m4", "cortex-m0", "riscv32"])
def test_floating_point_is_on_and_the_stack_is_measured(device: str, tools: ToolSet) -> None:
    need_tools(device, tools)
    source = """#include "turn.h"
#include <math.h>
void turn(const int8_t *in, int8_t *out) {
    volatile char room[600];
    for (int i = 0; i < 600; ++i) { room[i] = (char)(i == 0); }
    ((float *)out)[0] = expf(((const float *)in)[0]) + (float)(room[0] - 1);
}
"""
    x = np.array([[0.5], [-1.0]], np.float32)
    entry = Entry(ENTRY.header, ENTRY.call, 4, 4)
    run = run_on_device({"turn.h": HEADER, "turn.c": source}, entry, device, x, tools=tools)
    np.testing.assert_allclose(run.outputs.view(np.float32), np.exp(x), rtol=2e-7)
    assert 600 <= run.stack <= 900


@pytest.mark.slow
@pytest.mark.parametrize("value", ["quemu", "PIP", "pip,qemu", " "])
def test_another_set_of_tools_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_EMULATOR", value)
    for ask in (installed_tools, missing_tools):
        with pytest.raises(UnknownNameError) as caught:
            ask("cortex-m4")
        assert (caught.value.name, caught.value.known) == (value, ("pip", "qemu"))


def test_names_of_the_library_are_free_for_the_program() -> None:
    """`hidden` is a macro of the sources of musl."""
    need_tools("cortex-m4", "pip")
    source = """#include "turn.h"
typedef struct { int8_t hidden; } part;
void turn(const int8_t *in, int8_t *out) { const part one = {in[0]}; out[0] = one.hidden; }
"""
    run = run_on_device({"turn.h": HEADER, "turn.c": source}, ENTRY, "cortex-m4", ROWS, tools="pip")
    assert run.outputs[:, 0].tolist() == ROWS[:, 0].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("tools", get_args(ToolSet))
@pytest.mark.parametrize(("device", "stops"), [("cortex-m0", True), ("cortex-m3", False)])
def test_an_unaligned_access_stops_a_core_that_cannot_do_it(device: str, stops: bool, tools: ToolSet) -> None:
    need_tools(device, tools)
    read = (
        "void turn(const int8_t *in, int8_t *out) { *(volatile int32_t *)out = *(volatile const int32_t *)(in + 1); }\n"
    )
    files = {"turn.h": HEADER, "turn.c": f'#include "turn.h"\n{read}'}
    with pytest.raises(StoppedError) if stops else nullcontext():
        run_on_device(files, ENTRY, device, ROWS, tools=tools)


@pytest.mark.slow
@pytest.mark.parametrize("tools", get_args(ToolSet))
def test_what_goes_wrong_is_told_in_one_line(tools: ToolSet) -> None:
    for device in ("cortex-m0", "cortex-m3", "cortex-m4"):
        need_tools(device, tools)
    broken = {"turn.h": HEADER, "turn.c": "int x = y;"}
    with pytest.raises(InputError, match="undeclared") as caught:
        run_on_device(broken, ENTRY, "cortex-m4", ROWS, tools=tools)
    assert "\n" not in str(caught.value)
    large = {"turn.h": HEADER, "turn.c": TURN.replace("kept[100]", "kept[20000]")}
    with pytest.raises(InputError, match="RAM"):
        run_on_device(large, ENTRY, "cortex-m0", ROWS, tools=tools)
    wild = {"turn.h": HEADER, "turn.c": TURN.replace("kept[i] =", "((volatile int8_t *)0xF0000000)[i] =")}
    with pytest.raises(CheckFailedError, match="stopped"):
        run_on_device(wild, ENTRY, "cortex-m4", ROWS, tools=tools)
    with pytest.raises(CheckFailedError, match="did not end"):
        endless = HEADER + "void turn(const int8_t *in, int8_t *out) { for (;;) { *out = *in; } }\n"
        run_on_device({"turn.h": HEADER, "turn.c": endless}, ENTRY, "cortex-m3", ROWS, timeout=1, tools=tools)
    with pytest.raises(InputError, match="8 bytes"):
        run_on_device({"turn.h": HEADER, "turn.c": TURN}, ENTRY, "cortex-m4", ROWS.astype(np.int32))
    with pytest.raises(UnknownNameError):
        run_on_device({"turn.h": HEADER, "turn.c": TURN}, ENTRY, "cortex-m99", ROWS)


@pytest.mark.slow
@pytest.mark.parametrize(("device", "tools"), CASES)
@pytest.mark.parametrize("name", ["dense", "conv1d", "separable", "pools", "picture"])
def test_every_byte_is_that_of_the_reference(name: str, device: str, tools: ToolSet) -> None:
    need_tools(device, tools)
    for rounding in ("litert", "tflm"):
        network = integer_network(small(name), rounding)
        first, last = (network.values[i] for i in (network.input, network.output))
        entry = Entry(
            "net.h",
            "static net_network_context context; net_network(&context, in, out);",
            math.prod(first.shape),
            math.prod(last.shape),
        )
        x = np.random.default_rng(0).integers(-128, 128, (25, *first.shape), dtype=np.int8)
        run = run_on_device(write_network_c99(network, name="net"), entry, device, in_c(network, x), tools=tools)
        wanted = run_integer(network, x).reshape(25, -1)
        assert np.array_equal(run.outputs.view(np.int8), wanted)
        assert run.counted_within < 1
        assert run.stack < 1024


@pytest.mark.slow
def test_a_whole_pipeline_answers_as_on_the_desk() -> None:
    need_tools("cortex-m4")
    graph, x = classifier(), numbers(6, 10)
    x[1, 4] = np.nan
    call = "static m_context context; m_answer made; m_predict(&context, in, &made); "
    call += "for (int i = 0; i < 3; ++i) ((float *)out)[i] = made.probabilities[i];"
    run = run_on_device(write_c99(graph, CodeOptions("m")), Entry("m.h", call, 40, 12), "cortex-m4", x)
    wanted = compile_graph(graph)(x)["probabilities"]
    np.testing.assert_allclose(run.outputs.view(np.float32), wanted, atol=2e-6)
    assert run.flash < 40_000
    assert run.ram < 2048
