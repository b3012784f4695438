"""`edgewright prove --serial`: an exported library on a line, of this machine's processes and of emulated boards."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from c99_examples import call
from c99_stages import need_compiler
from edgewright.cli.main import run
from edgewright.device.boards.link import ANSWER, ModelLine, open_link
from edgewright.export.c99_host.host import compiler_command
from edgewright.export.contract import find_target, read_subject
from edgewright.export.emulator import board as board_of
from edgewright.export.write import write_files
from edgewright.workflows.proof.workflow import prove_place
from small_pipeline import run_small, write_rows, write_toml
from support import left_out

pytest.importorskip("serial")
Capture = pytest.CaptureFixture[str]
_BOARD = """\
#include <unistd.h>
#include "small_serial.h"
static int get(void *user) { uint8_t byte; (void)user; return read(0, &byte, 1) == 1 ? byte : -1; }
static void put(void *user, uint8_t byte) { (void)user; if (write(1, &byte, 1) != 1) { _exit(1); } }
static uint32_t count(void *user) { static uint32_t ticks; (void)user; return ticks += 1234u; }
int main(void) {
    static small_serial_context context;
    const small_serial_port port = {get, put, count, 0};
    small_serial_run(&context, &port);
    return 0;
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serial")
    toml = write_toml(path / "small.toml", write_rows(path / "rows.csv"))
    return run_small(toml, path / "runs", "training.epochs=5", "compression.max_drop=0.5").folder


def exported(folder: Path, out: Path, form: str = "") -> Path:
    write_files(out, find_target("library").files(read_subject(folder, form=form)))
    return out / "src"


def program(sources: Path, *flags: str) -> Path:
    """Compile a board that answers at its standard input and output."""
    (sources / "main.c").write_text(_BOARD)
    names = sorted(path.name for path in sources.glob("*.c"))
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Werror", "-Wno-unused-function"]
    call(
        sources,
        *compiler_command(),
        "-std=gnu99",
        "-O1",
        "-ffp-contract=off",
        *warnings,
        *flags,
        *names,
        "-lm",
        "-Wl,-z,now",
        "-o",
        "board",
    )
    return sources / "board"


@contextmanager
def line_of(*command: str) -> Iterator[str]:
    """Start a program behind a pseudo-terminal and give the terminal's path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    tty.setraw(master)
    process = subprocess.Popen(command, stdin=master, stdout=master)
    try:
        yield os.ttyname(slave)
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def test_a_board_answers_rows_and_shows_its_stages(folder: Path, tmp_path: Path) -> None:
    need_compiler()
    board = program(exported(folder, tmp_path), "-DSMALL_TAPS")
    with line_of(str(board)) as port, open_link(f"serial:{port}") as opened:
        line = ModelLine(opened, port)
        hello = line.hello()
        assert (hello.name, hello.inputs) == ("small", 2) and hello.stages > 4
        answers = []
        for row in ([0.5, -0.5], [1e9, np.nan], [0.5, -0.5]):
            cycles, stack, painted = line.run(np.array(row, "<f4").tobytes())
            assert cycles == 1234 and 0 < stack < painted == 1024
            answers.append(line.read(ANSWER))
        assert answers[0] == answers[2] != answers[1] and len(answers[0]) == 4 * hello.words
        assert len(line.read(0)) == 8


@pytest.mark.slow
def test_a_board_at_a_serial_port_is_one_more_form(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_compiler()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    board = program(exported(folder, tmp_path / "int8"), "-DSMALL_TAPS")
    with line_of(str(board)) as port:
        record = prove_place(str(folder), rows=20, serial=port, device="nrf52840")
    assert record.passed
    (form,) = [form for form in record.forms if form.name == f"int8 C99 on the board at {port}"]
    assert {"impute", "scale", "boundary bytes", "probabilities", "label"} <= set(form.stages)
    assert re.search(r"1,234 cycles a sample \(median\), \d{2,3} bytes of stack, stages included", form.note)
    assert "19 us at the clock of nrf52840 were kept" in form.note
    pairs = [pair for pair in record.pairs if form.name in (pair.first, pair.second)]
    assert len(pairs) > 3 and all(pair.verdict != "broken" for pair in pairs)


@pytest.mark.slow
def test_a_wrong_weight_on_the_board_is_found_at_its_stage(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    need_compiler()
    sources = exported(folder, tmp_path)
    text = (sources / "small.c").read_text()
    changed = re.sub(r"(_bias\[\d+\] = \{\n +)(-?\d+)", lambda match: f"{match[1]}{int(match[2]) + 900}", text, count=1)
    assert changed != text
    (sources / "small.c").write_text(changed)
    with line_of(str(program(sources, "-DSMALL_TAPS"))) as port:
        assert run(["prove", str(folder), "--rows", "20", "--serial", port]) == 1
    assert "differ at stage" in capsys.readouterr().err


def test_what_goes_wrong_on_a_line_is_one_line(
    folder: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_compiler()
    monkeypatch.setattr("edgewright.device.boards.link._PATIENCE_S", 0.2)

    def run_prove(port: str) -> tuple[int, str]:
        code = run(["prove", str(folder), "--rows", "5", "--serial", port])
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "Traceback" not in error
        return code, error

    assert run_prove(str(tmp_path / "none"))[0] == 2
    with line_of("sleep", "60") as port:
        code, error = run_prove(port)
        assert code == 74 and "expected an answer of the board" in error and "wiring" in error
    noise = "import os\nwhile True:\n os.read(0, 9); os.write(1, bytes(range(256)))"
    with line_of(sys.executable, "-c", noise) as port:
        code, error = run_prove(port)
        assert code == 74 and "got other bytes" in error
    echo = "import os\nwhile True:\n os.write(1, os.read(0, 99))"
    with line_of(sys.executable, "-c", echo) as port:
        assert run_prove(port)[0] == 74
    sources = exported(folder, tmp_path / "other")
    header = sources / "small_serial.c"
    header.write_text(header.read_text().replace("small_serial_hash[16] = {0x", "small_serial_hash[16] = {1 ^ 0x"))
    with line_of(str(program(sources))) as port:
        code, error = run_prove(port)
        assert code == 1 and "runs another model" in error and "--to library" in error


@pytest.mark.slow
def test_a_board_that_stops_in_the_middle_is_told(
    folder: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_compiler()
    monkeypatch.setattr("edgewright.device.boards.link._PATIENCE_S", 0.2)
    board = program(exported(folder, tmp_path))
    bounded = f"head -c 700 | {board}; sleep 60"
    with line_of("sh", "-c", bounded) as port:
        assert run(["prove", str(folder), "--rows", "20", "--serial", port]) == 74
    assert "expected an answer of the board" in capsys.readouterr().err


@contextmanager
def emulated(device: str, sources: Path) -> Iterator[str]:
    """Start the library on an emulated board and give the line to its UART."""
    target = board_of(device)
    if target.tools.missing:
        left_out(f"{', '.join(target.tools.missing)}: {target.tools.packages}")
    own = resources.files("edgewright.export.emulator")
    for name, part in (("core.h", target.tools.core), ("memory.ld", target.tools.memory)):
        (sources / name).write_text((own / part).read_text("utf-8"))
    (sources / "main.c").write_text(Path(__file__).parents[1].joinpath("model_uart.c").read_text())
    sizes = [f"-Wl,--defsym=flash_bytes={target.flash}", f"-Wl,--defsym=ram_bytes={target.ram}", "-T", "memory.ld"]
    names = sorted(path.name for path in sources.glob("*.c"))
    call(sources, target.tools.compiler, *target.tools.compiling, *target.options, "-std=c99", "-O2", "-DSMALL_TAPS",
         "-fno-tree-loop-distribute-patterns", "-ffunction-sections", "-fdata-sections", "-ffp-contract=off",
         *target.tools.linking, *sizes, *names, "-lm", "-o", "image.elf")  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    process = subprocess.Popen(
        [target.tools.emulator, "-machine", target.machine, *target.tools.emulating, "-display", "none",
         "-monitor", "none", "-icount", "shift=0", "-kernel", str(sources / "image.elf"),
         "-serial", f"tcp:127.0.0.1:{port},server=on,wait=off"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        threading.Event().wait(1.0)
        yield f"tcp:127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cortex-m4", "riscv32"])
@pytest.mark.parametrize("form", ["int8", "float"])
def test_an_emulated_board_answers_over_its_uart(folder: Path, tmp_path: Path, device: str, form: str) -> None:
    with emulated(device, exported(folder, tmp_path, form)) as link:
        record = prove_place(str(folder), rows=20, serial=link)
    assert record.passed
    (form_record,) = [one for one in record.forms if one.name == f"{form} C99 on the board at {link}"]
    assert len(form_record.stages) > 4
    # QEMU has no DWT; RISC-V counts.
    counted = re.search(r"([\d,]+) cycles a sample", str(form_record))
    assert (counted is not None) == (device == "riscv32")
