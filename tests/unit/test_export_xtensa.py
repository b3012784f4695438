"""Portable C for Xtensa compiles without a warning. Nothing runs: routines of the chips' ROM are absent."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from core_networks import NETWORKS, network
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99, write_network_c99
from integer_networks import small
from runtime_example import classifier
from support import left_out

COMPILER, PACKAGES = "xtensa-lx106-elf-gcc", "gcc-xtensa-lx106 picolibc-xtensa-lx106-elf"
LIBRARY = Path("/usr/lib/xtensa-lx106-elf")
FLAGS = ("-std=c99", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror")
# Arithmetic that GCC calls a function for: integers and floats of 32 and 64 bits, comparisons, conversions.
ROUTINE = re.compile(
    r"__(?:u?(?:div|mod)|mul|neg|ashl|ashr|lshr|clz|ctz|add|sub|fix(?:uns)?|float(?:un)?|eq|ne|[lg][te]|unord|extend|trunc)"
    r"(?:[sd][if]){1,2}[23]?"
)


def symbols(which: str, file: Path) -> set[str]:
    """Return names in an object or library, `--undefined-only` or `--defined-only`."""
    command = ["xtensa-lx106-elf-nm", which, "--format=just-symbols", str(file)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", [*(f"network {name}" for name in NETWORKS), "pipeline int8", "pipeline float"])
def test_portable_c_compiles_for_xtensa(name: str, tmp_path: Path) -> None:
    if not shutil.which(COMPILER) or not (LIBRARY / "picolibc.specs").exists():
        left_out(f"{COMPILER} and picolibc of {PACKAGES}")
    sort, form = name.split()
    if sort == "network":
        files = write_network_c99(network(form), name="net")
    elif form == "int8":
        files = write_c99(small("conv1d"), CodeOptions("net"), network("conv1d"))
    else:
        files = write_c99(classifier(), CodeOptions("net"))
    for file, text in files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    command = [COMPILER, f"--specs={LIBRARY / 'picolibc.specs'}", *FLAGS, "-c", "net.c", "-o", "net.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = {one for one in symbols("--undefined-only", tmp_path / "net.o") if not ROUTINE.fullmatch(one)}
    (library,) = LIBRARY.rglob("lib/libc.a")
    (mathematics,) = LIBRARY.rglob("lib/libm.a")
    assert wanted <= symbols("--defined-only", library) | symbols("--defined-only", mathematics)
    assert any(one.startswith("net_") for one in symbols("--defined-only", tmp_path / "net.o"))
