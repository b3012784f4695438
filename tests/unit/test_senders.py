"""The senders' framing, compiled: byte for byte what Python writes, and read back by what reads a serial line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgewright.device.frames import INT16, FrameDecoder, Hello, Rows
from frames_example import write_hello, write_rows
from support import ROOT, left_out

HEADER = ROOT / "senders" / "arduino" / "edgewright_sender"
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"]
PROGRAM = """
#include <stdio.h>
#include "edgewright_frame.h"
static void give(const uint8_t *bytes, size_t size) { fwrite(bytes, 1, size, stdout); }
int main(void) {
    static uint8_t room[4096];
    static float rows[200];
    static int16_t raw[300];
    ew_clock clock = {0, 0};
    int i;
    for (i = 0; i < 200; i++) rows[i] = (float)(i * i) * 0.25f - 100.0f;
    for (i = 0; i < 300; i++) raw[i] = (int16_t)(i * 217 - 32768);
    give(room, ew_hello(room, EW_HELLO_ROOM(19), 3, 50.0f, "a [g],b [m/s2],long"));
    for (i = 0; i < 40; i++)
        give(room, ew_rows(room, EW_ROOM(1, 3), rows + i, 1, 3, (uint32_t)i + 0xFFFFFFF0u,
                           ew_time(&clock, 4294000000u + (uint32_t)i * 100000u), 0));
    give(room, ew_rows(room, EW_ROOM(20, 10), rows, 20, 10, 7, 123456789012345u, 20000));
    give(room, ew_rows_int16(room, EW_ROOM(75, 2), raw, 75, 4, 9, 1, 1000));
    for (i = 0; i < 12 + 19 + 2; i++)
        if (ew_hello(room, (size_t)i, 3, 50.0f, "a [g],b [m/s2],long") != 0) return 1;
    return 0;
}
"""


def compiler(name: str) -> str:
    executable = shutil.which(name)
    if not executable:
        left_out(f"{name} is not installed")
    return executable or ""


def test_the_c_header_writes_what_python_writes(tmp_path: Path) -> None:
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(PROGRAM)
    build = [compiler("gcc"), "-std=c99", *STRICT, "-fsanitize=address,undefined", "-I", str(HEADER), str(source)]
    subprocess.run([*build, "-o", str(program)], check=True, timeout=60)
    sent = subprocess.run([str(program)], capture_output=True, check=True, timeout=60).stdout

    rows = (np.arange(200, dtype=np.float32) ** 2 * np.float32(0.25) - 100).astype(np.float32)
    raw = (np.arange(300) * 217 - 32768).astype(np.int16)
    expected = write_hello(["a [g]", "b [m/s2]", "long"], 50.0)
    for i in range(40):
        expected += write_rows(rows[None, i : i + 3], sequence=0xFFFFFFF0 + i, time=4294000000 + i * 100000)
    expected += write_rows(rows.reshape(20, 10), sequence=7, time=123456789012345, period=20000)
    expected += write_rows(raw.reshape(75, 4).astype(np.float32), sequence=9, time=1, period=1000, form=INT16)
    assert sent == expected

    hello, *frames = FrameDecoder().feed(sent)
    assert hello == Hello(("a [g]", "b [m/s2]", "long"), 50.0)
    assert len(frames) == 42
    assert isinstance(frames[41], Rows)
    assert np.array_equal(frames[41].values, raw.reshape(75, 4))


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("g++", ["-x", "c++", "-std=c++11"]),
        ("arm-none-eabi-gcc", ["-x", "c", "-std=c99", "-mcpu=cortex-m0", "-Os"]),
    ],
)
def test_the_header_compiles_for_boards(program: str, options: list[str], tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text(PROGRAM)
    build = [compiler(program), *options, *STRICT, "-I", str(HEADER), "-c", str(source), "-o", str(tmp_path / "main.o")]
    subprocess.run(build, check=True, timeout=60)
