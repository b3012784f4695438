"""The code with slots on an emulated Cortex-M4, and the same bytes as the code that holds its weights itself."""

from __future__ import annotations

import ctypes
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from board_example import KEY, PUBLIC, train
from c99_stages import need_compiler
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import read_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import FLAGS, compile_c99, context_of
from edgewright.export.contract import Subject, read_subject
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.export.slots import read_layout, slot_code, slot_files, weights_body
from integer_networks import samples_of, small
from support import left_out

pytestmark = pytest.mark.slow
# Flash that is RAM here; the scenario runs before the first row is answered.
SCENARIO = """
#include "net.h"
#include "net_update.h"
#include <string.h>
static const uint8_t first[] = {%s};
static const uint8_t second[] = {%s};
static const uint8_t name[2][16] = {{%s}, {%s}};
static net_context context;
static uint64_t memory[NET_REGION / 8];
static uint8_t *const flash = (uint8_t *)memory;
int net_flash_erase(uint32_t page) { memset(flash + page, 0xff, NET_PAGE); return 0; }
int net_flash_write(uint32_t address, const uint8_t *bytes, uint32_t count) {
    memcpy(flash + address, bytes, count);
    return 0;
}
int net_flash_read(uint32_t address, uint8_t *bytes, uint32_t count) {
    memcpy(bytes, flash + address, count);
    return 0;
}
static int install(const uint8_t *file, uint32_t length, const uint8_t *called) {
    int code = net_begin(length, called);
    for (uint32_t at = 0; code == 0 && at < length; at += 64) {
        code = net_write(at, file + at, length - at < 64 ? length - at : 64);
    }
    code = code != 0 ? code : net_verify();
    code = code != 0 ? code : net_self_test(&context);
    return code != 0 ? code : net_activate();
}
void scenario(const void *in, void *out);
void scenario(const void *in, void *out) {
    float *told = out;
    const int task = (int)((const float *)in)[0];
    net_answer answer;
    if (task == 0) {
        /* Once: the emulator asks the first row several times, to count. */
        static float codes[4];
        static int done;
        if (!done) {
            done = 1;
            memset(memory, 0xff, sizeof memory);
            codes[0] = (float)net_power_on(memory);
            codes[1] = (float)install(first, sizeof first, name[0]);
            codes[2] = (float)net_confirm();
            codes[3] = (float)install(second, sizeof second, name[1]);
        }
        memcpy(told, codes, sizeof codes);
    } else if (task == 1) {
        net_predict(&context, (const float *)in + 1, &answer);
        memcpy(told, answer.probabilities, sizeof answer.probabilities);
    } else {
        told[0] = (float)net_revert();
        told[1] = (float)install(second, sizeof second, name[1]);
    }
}
"""


def literal(data: bytes) -> str:
    return ", ".join(map(str, data))


def test_an_emulated_cortex_m4_verifies_tests_and_swaps_weights(tmp_path: Path) -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    runs = train(tmp_path, "one", "two")
    subject = replace(read_subject(runs["one"], form="int8"), name="net")
    files = {name: data.decode() for name, data in slot_files(subject, PUBLIC).items()}
    layout = read_layout(files["net_layout.json"].encode(), "layout")
    sent, packages = [], {name: read_package(runs[name] / "small.edge") for name in ("one", "two")}
    for counter, name in ((1, "one"), (2, "two")):
        own = replace(read_subject(runs[name], form="int8"), name="net")
        body = weights_body(own, packages[name], layout, counter)
        sent.append(body + KEY.sign(body))
    names = [hashlib.sha512(data).digest()[:16] for data in sent]
    files["scenario.c"] = SCENARIO % tuple(map(literal, (*sent, *names)))
    rows = packages["two"].vectors().astype(np.float32)[:4]
    tasks = np.zeros((len(rows) * 2 + 2, 3), np.float32)
    tasks[1 : len(rows) + 1, 0] = tasks[len(rows) + 2 :, 0] = 1
    tasks[1 : len(rows) + 1, 1:] = tasks[len(rows) + 2 :, 1:] = rows
    tasks[len(rows) + 1, 0] = 2
    entry = Entry("stdint.h", "void scenario(const void *, void *); scenario(in, out);", 12, 16)
    texts = {name: text for name, text in files.items() if name.endswith((".c", ".h"))}
    run = run_on_device(texts, entry, "cortex-m4", tasks)
    values = run.outputs.view(np.float32)
    assert values[0].tolist() == [12.0, 0.0, 0.0, 0.0]
    for name, answers in (("two", values[1 : len(rows) + 1]), ("one", values[len(rows) + 2 :])):
        wanted = compile_graph(read_onnx(packages[name].model("int8")))(rows)["probabilities"]
        np.testing.assert_allclose(answers[:, :2], wanted, atol=2e-6)
    # Back from the trial, and what was on trial is never taken again.
    assert values[len(rows) + 1, :2].tolist() == [0.0, 8.0]


@pytest.mark.parametrize("name", ["dense", "separable", "pools", "picture"])
def test_code_with_slots_gives_the_bytes_of_the_code_that_holds_its_weights(name: str, tmp_path: Path) -> None:
    need_compiler()
    graph = small(name)
    subject = Subject("net", graph)
    plain, code = write_c99(graph, CodeOptions("net"), subject.integers), slot_code(subject)
    first = ctypes.CDLL(str(compile_c99(plain, tmp_path / "plain", flags=(*FLAGS[:1], "-O1"), taps=False)))
    second = ctypes.CDLL(str(compile_c99(code.files, tmp_path / "slots", flags=(*FLAGS[:1], "-O1"), taps=False)))
    location = np.frombuffer(code.constants, np.uint8).copy()
    ctypes.c_void_p.in_dll(second, "net_constants").value = location.ctypes.data
    assert ctypes.c_uint32.in_dll(second, "net_constants_length").value == len(code.constants)

    def answer_of(library: ctypes.CDLL, row: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[int, bytes]:
        answer, row = np.zeros(64, np.uint8), np.ascontiguousarray(row)
        flags = library.net_predict(
            context_of(library, "net_context"), ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(answer.ctypes.data)
        )
        return int(flags), answer.tobytes()

    for row in samples_of(graph)[:20]:
        assert answer_of(first, row) == answer_of(second, row)
    ctypes.c_void_p.in_dll(second, "net_constants").value = None
    assert answer_of(second, samples_of(graph)[0])[0] == 2
