"""One export for several cores: the compiler takes what is written for its own by its macros."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgewright.core.integer.qdq import integer_network
from edgewright.export.c99_code.choice import CONDITIONS, joined
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.contract import Subject
from edgewright.export.targets import c99
from integer_networks import small
from support import left_out

# Core that the code is written for -> what says so to the compiler.
ARM = {
    "": ("-mcpu=cortex-m3",),
    "cortex-m4": ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "cortex-m55": ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
}


def machine_code(files: dict[str, str], folder: Path, *flags: str) -> bytes:
    """Return all sections of NAME.c as compiled, without names of files."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    command = ["arm-none-eabi-gcc", "-mthumb", "-std=c99", "-Os", "-Wall", "-Wextra", "-Werror", *flags]
    subprocess.run([*command, "-c", "m.c", "-o", "m.o"], cwd=folder, check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", "m.o", "m.bin"], cwd=folder, check=True)
    return (folder / "m.bin").read_bytes()


@pytest.mark.parametrize("core", ARM)
@pytest.mark.parametrize("name", ["separable", "dense"])
def test_a_compiler_takes_the_code_of_its_core(name: str, core: str, tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        left_out("arm-none-eabi-gcc is absent")
    graph = small(name)
    exported = {file: text.decode() for file, text in c99.TARGET.files(Subject("m", graph)).items()}
    network = integer_network(graph)
    options = c99.options_of(Subject("m", graph))
    own = write_c99(graph, CodeOptions("m", confidence=options.confidence, core=core), network)
    flags = ARM[core]
    expected = machine_code(own, tmp_path / "own", *flags)
    assert machine_code({file: exported[file] for file in own}, tmp_path / "joined", *flags) == expected
    portable = write_c99(graph, CodeOptions("m"), network)
    without = machine_code({f: exported[f] for f in own}, tmp_path / "without", *flags, "-DM_PORTABLE")
    assert without == machine_code(portable, tmp_path / "portable", *flags)
    assert (expected == without) == (core == "")


def test_texts_differ_where_their_blocks_do() -> None:
    base = "int a;\n\nint b;\n\nint c;\n"
    text = joined(
        base, {"cortex-m4": "int a;\n\nint x;\n\nint y;\n\nint c;\n", "cortex-m55": "int a;\n\nint c;\n"}, "n"
    )
    lines = text.splitlines()
    assert lines[0] == "int a;" and lines[-1] == "int c;" and text.count("int c;") == text.count("int a;") == 1
    assert [line.split()[0] for line in lines if line.startswith("#")] == ["#if", "#elif", "#else", "#endif"]
    assert joined(base, dict.fromkeys(CONDITIONS, base), "n") == base
