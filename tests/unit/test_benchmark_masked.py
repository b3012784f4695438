"""Benchmarks of AVX2 on a processor that has more: what libraries ask of it is answered with less."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.predict.masked import handler, without_cpuid

from support import left_out

ASKS = """
#include <cpuid.h>
unsigned seen(unsigned leaf, unsigned part, unsigned place) {
    unsigned all[4];
    __cpuid_count(leaf, part, all[0], all[1], all[2], all[3]);
    return all[place];
}
"""
# Leaf 7: AVX2 and AVX-512 F in register b, VNNI in register c; of part 1 AVX-VNNI in register a.
AVX2, AVX512F, VNNI, AVX_VNNI = 1 << 5, 1 << 16, 1 << 11, 1 << 4
PROGRAM = "import ctypes, sys; s = ctypes.CDLL(sys.argv[1]).seen; s.restype = ctypes.c_uint; "
PROGRAM += "print(s(7, 0, 1), s(7, 0, 2), s(7, 1, 0), s(1, 0, 0))"


def masked_tokens(library: Path, **settings: str) -> list[int]:
    """Return what a process is answered."""
    command = [sys.executable, "-c", PROGRAM, str(library)]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CPUID is an instruction of x86")
def test_a_library_sees_a_processor_with_avx2_and_no_more(tmp_path: Path) -> None:
    for tool in ("gcc", "objdump", "readelf"):
        if shutil.which(tool) is None:
            left_out(tool)
    library = tmp_path / "asks.so"
    (tmp_path / "asks.c").write_text(ASKS)
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "asks.c", "-o", library], cwd=tmp_path, check=True)
    masked = tmp_path / "masked.so"
    masked.symlink_to(library)
    without_cpuid(masked)
    assert b"\x0f\xa2" in library.read_bytes()
    really = masked_tokens(library)
    b, c, a, model = masked_tokens(masked, LD_PRELOAD=str(handler(tmp_path)))
    assert not b & AVX512F
    assert not c & VNNI
    assert not a & AVX_VNNI
    assert b & AVX2 == really[0] & AVX2
    assert model == really[3], "what is not hidden is what the processor says"
