"""One export for several cores: the compiler takes what is written for its own by its macros."""

from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.integer.network import run_integer
from edgewright.core.integer.qdq import integer_network
from edgewright.export import emulator
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.contract import Subject
from edgewright.export.emulator import Entry, board, missing_tools, run_on_device
from edgewright.export.targets import c99
from edgewright.export.targets.c99 import CONDITIONS, joined
from integer_networks import in_c, small
from support import left_out

# Core that the code is written for -> what says so to the compiler.
CORES = {
    "": ("-mcpu=cortex-m3",),
    "cortex-m4": ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "cortex-m55": ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
    "riscv32v": ("-march=rv32imc_zve32x", "-mabi=ilp32"),
}
VECTORS = "riscv32v"
PICOLIBC = Path("/usr/lib/picolibc/riscv64-unknown-elf/include")


def machine_code(files: dict[str, str], folder: Path, core: str, *flags: str) -> bytes:
    """Return all sections of NAME.c as compiled, without names of files."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    tools = board(core or "cortex-m3").tools
    command = [tools.compiler, *tools.compiling, "-std=c99", "-Os", "-Wall", "-Wextra", "-Werror", *flags]
    subprocess.run([*command, "-c", "m.c", "-o", "m.o"], cwd=folder, check=True)
    copy = tools.compiler.replace("gcc", "objcopy")
    subprocess.run([copy, "-O", "binary", "m.o", "m.bin"], cwd=folder, check=True)
    return (folder / "m.bin").read_bytes()


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", ["separable", "dense"])
def test_a_compiler_takes_the_code_of_its_core(name: str, core: str, tmp_path: Path) -> None:
    compiler = board(core or "cortex-m3").tools.compiler
    if shutil.which(compiler) is None:
        left_out(f"{compiler} is absent")
    graph = small(name)
    exported = {file: text.decode() for file, text in c99.TARGET.files(Subject("m", graph)).items()}
    network = integer_network(graph)
    options = c99.options_of(Subject("m", graph))
    own = write_c99(graph, CodeOptions("m", confidence=options.confidence, core=core), network)
    flags = CORES[core]
    expected = machine_code(own, tmp_path / "own", core, *flags)
    assert machine_code({file: exported[file] for file in own}, tmp_path / "joined", core, *flags) == expected
    portable = write_c99(graph, CodeOptions("m"), network)
    without = machine_code({f: exported[f] for f in own}, tmp_path / "without", core, *flags, "-DM_PORTABLE")
    assert without == machine_code(portable, tmp_path / "portable", core, *flags)
    assert (expected == without) == (core == "")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["rv32imc_zve32x", "rv32imcv"])
@pytest.mark.parametrize("by", ["gcc", "clang"])
@pytest.mark.parametrize("name", ["separable", "dense"])
def test_the_joined_code_of_a_core_with_vectors_gives_the_bytes_of_the_reference(
    name: str, by: str, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing := (*missing_tools(VECTORS), *(["clang"] if by == "clang" and not shutil.which("clang") else [])):
        left_out(f"{', '.join(missing)}: {VECTORS} is emulated")
    target = board(VECTORS)
    target = replace(target, options=(f"-march={architecture}", "-mabi=ilp32"))
    if by == "clang":
        target = replace(target, tools=replace(target.tools, compiler=clang(tmp_path, architecture)))
    monkeypatch.setattr(emulator, "board", lambda _: target)
    graph, network = small(name), integer_network(small(name))
    exported = {file: text.decode() for file, text in c99.TARGET.files(Subject("m", graph)).items()}
    x = np.random.default_rng(0).integers(-128, 128, (20, *network.values[network.input].shape)).astype(np.int8)
    sizes = (math.prod(network.values[i].shape) for i in (network.input, network.output))
    entry = Entry("m.h", "static m_network_context context; m_network(&context, in, out);", *sizes)
    counts = []
    for less in ("", "#define M_PORTABLE\n"):
        files = {file: less + exported[file] for file in ("m.h", "m.c")}
        run = run_on_device(files, entry, VECTORS, in_c(network, x))
        np.testing.assert_array_equal(run.outputs.view(np.int8), run_integer(network, x).reshape(20, -1))
        counts.append(run.instructions)
    assert counts[0] < 0.7 * counts[1]


def clang(folder: Path, architecture: str) -> str:
    """Return a compiler that is clang for the model, and gcc for what feeds it."""
    path = folder / "compiler"
    path.write_text(
        f'#!/bin/sh\n{board(VECTORS).tools.compiler} "$@" || exit\n'
        'case " $* " in *" m.c "*) exec clang --target=riscv32 -menable-experimental-extensions -mcmodel=medany '
        f"-march={architecture} -mabi=ilp32 -isystem {PICOLIBC} -O2 -std=c99 -Wall -Wextra -Werror -c m.c;; esac\n"
    )
    path.chmod(0o755)
    return str(path)


def test_texts_differ_where_their_blocks_do() -> None:
    base = "int a;\n\nint b;\n\nint c;\n"
    text = joined(
        base, {"cortex-m4": "int a;\n\nint x;\n\nint y;\n\nint c;\n", "cortex-m55": "int a;\n\nint c;\n"}, "n"
    )
    lines = text.splitlines()
    assert lines[0] == "int a;" and lines[-1] == "int c;" and text.count("int c;") == text.count("int a;") == 1
    assert [line.split()[0] for line in lines if line.startswith("#")] == ["#if", "#elif", "#else", "#endif"]
    assert joined(base, dict.fromkeys(CONDITIONS, base), "n") == base
