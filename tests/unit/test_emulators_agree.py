"""Unicorn and QEMU run the same binary: the same bytes, and the same number of instructions within 1 %."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgewright.export import emulator
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.contract import read_subject
from edgewright.export.emulator import Entry, board, installed_tools, pip_tools, run_on_device
from edgewright.export.emulator.pip_tools import Image, Machine
from foreign import MODELS, NAMES
from support import left_out

ROWS = 5
DEVICES = ("cortex-m0plus", "cortex-m4", "riscv32")
# Twenty models of as many kinds as the fixtures have.
CHOSEN = NAMES[:: len(NAMES) // 20][:20]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_both_emulators_run_a_binary_alike(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device = DEVICES[CHOSEN.index(name) % len(DEVICES)]
    if len(installed_tools(device)) < 2:
        left_out(f"GCC, QEMU, ziglang and Unicorn for a {device}")
    graph = read_subject(MODELS / f"{name}.onnx").graph
    shape = graph.inputs[0].shape
    rows = np.random.default_rng(1).normal(size=(ROWS, int(np.prod(shape)))).astype(np.float32)
    words = 1 + sum(max(1, int(np.prod(v.shape))) for v in graph.outputs)
    call = "static m_context context; m_predict(&context, (const float *)in, (m_answer *)out);"
    kept = tmp_path / "image.elf"
    build = emulator._build

    def build_and_keep(folder: Path, *given: object) -> Path:
        image = build(folder, *given)  # type: ignore[arg-type]
        if folder.name == "model":
            kept.write_bytes(image.read_bytes())
        return image

    monkeypatch.setattr(emulator, "_build", build_and_keep)
    entry = Entry("m.h", call, rows.shape[1] * 4, words * 4)
    qemu = run_on_device(write_c99(graph, CodeOptions("m")), entry, device, rows, tools="qemu")
    outputs, instructions, stack = run_with_unicorn(kept, device, rows, entry.output_bytes)
    np.testing.assert_array_equal(outputs, qemu.outputs)
    assert abs(instructions - qemu.instructions) <= 0.01 * qemu.instructions + qemu.counted_within
    assert abs(stack - qemu.stack) <= 64


def run_with_unicorn(path: Path, device: str, rows: np.ndarray, output_bytes: int) -> tuple[np.ndarray, int, int]:
    """Run the function of a binary that GCC linked; return outputs, instructions and stack."""
    target = board(device)
    core = target.pip
    assert core is not None
    symbols = symbols_of(path, target.tools.compiler.replace("gcc", "nm"))
    read = pip_tools._read_image(path.read_bytes())
    image = Image(symbols["emulator_entry"] | (0 if core.is_riscv else 1), read.segments)
    ram = core.flash_address + target.flash if core.is_riscv else emulator._RAM_ADDRESS
    sizes = (rows[0].nbytes, output_bytes)

    def machine() -> Machine:
        emulated = Machine(image, core, (ram, target.flash, target.ram), sizes)
        if core.is_riscv:
            # GCC's start-up code sets the global and the thread pointer.
            emulated._core.reg_write(emulated._constant("GP"), symbols["__global_pointer$"])
            emulated._core.reg_write(emulated._constant("TP"), symbols["thread_start"])
        return emulated

    instructions, stack = machine().measure(rows[0].tobytes(), 60.0)
    run = machine()
    answers = b"".join(run.call(row.tobytes(), 60.0) for row in rows)
    return np.frombuffer(answers, np.uint8).reshape(len(rows), output_bytes), instructions, stack


def symbols_of(path: Path, nm: str) -> dict[str, int]:
    listed = subprocess.run([nm, str(path)], capture_output=True, text=True, check=True).stdout
    words = (line.split() for line in listed.splitlines())
    return {name: int(address, 16) for address, _, name in (w for w in words if len(w) == 3)}
