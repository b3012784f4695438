"""A processor with AVX2 and without AVX-512 and VNNI, shown to LiteRT and ONNX Runtime by one that has them.

Both ask the processor (CPUID) and run the kernels that suit it, at full speed, where an emulator would not. Programs
cannot answer that instruction themselves, so it is replaced by one that no processor has in copies of their libraries,
and a preloaded library answers the signal this raises with what the processor says, less what is to be hidden.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from pathlib import Path

from edgewright.core.prediction import objects

LIBRARIES = ("onnxruntime", "ai_edge_litert")
_CPUID = b"\x0f\xa2"
# No instruction in 64-bit mode, and no other use of it in compiled code; the second byte is stepped over.
_NONE = b"\x0e\x90"
# AVX-512, its extensions, VNNI and matrix instructions: leaf 7, registers b, c, d (Intel's manual, volume 2, CPUID).
_HANDLER = r"""
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>
static void answer(int number, siginfo_t *info, void *context) {
    greg_t *const held = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *const code = (const unsigned char *)held[REG_RIP];
    (void)info;
    if (code[0] != 0x0E || code[1] != 0x90) {
        signal(number, SIG_DFL);
        return;
    }
    unsigned a, b, c, d;
    const unsigned leaf = (unsigned)held[REG_RAX], part = (unsigned)held[REG_RCX];
    __cpuid_count(leaf, part, a, b, c, d);
    if (leaf == 7) {
        b &= part ? 0 : ~0xDC230000u;
        c &= part ? 0 : ~0x00005942u;
        d &= part ? 0 : ~0x03C0010Cu;
        a &= part ? 0 : ~0u;
    }
    held[REG_RAX] = a, held[REG_RBX] = b, held[REG_RCX] = c, held[REG_RDX] = d;
    held[REG_RIP] += 2;
}
__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &action, NULL);
}
"""
_HIDDEN_FROM_NUMPY = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
_HIDDEN_FROM_LIBC = "-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD"


def can_mask() -> bool:
    """Return whether there is something to hide, and what hiding needs."""
    hides = any("vnni" in name for name in objects.cpu_features()) and objects.is_host()
    return hides and all(shutil.which(tool) for tool in ("gcc", "objdump", "readelf", "grep"))


def masked(folder: Path) -> dict[str, str]:
    """Make the copies in a folder; the environment of a process that uses them."""
    for name in LIBRARIES:
        source, target = Path(str(importlib.import_module(name).__file__)).parent, folder / name
        # Other files are links: only what holds code is copied.
        shutil.copytree(source, target, copy_function=os.symlink, ignore=shutil.ignore_patterns("vendors"))
        for library in [path for path in target.rglob("*.so*") if path.is_file()]:
            without_cpuid(library)
    shown = sorted(name for name in objects.cpu_features() if not _is_hidden(name))
    return {
        **os.environ,
        objects.VARIABLE: " ".join(shown),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", "")))),
        "LD_PRELOAD": str(handler(folder)),
        "NPY_DISABLE_CPU_FEATURES": _HIDDEN_FROM_NUMPY,
        "OPENBLAS_CORETYPE": "Haswell",
        "GLIBC_TUNABLES": f"glibc.cpu.hwcaps={_HIDDEN_FROM_LIBC}",
    }


def handler(folder: Path) -> Path:
    """Compile what answers in place of the processor."""
    (folder / "handler.c").write_text(_HANDLER)
    command = ["gcc", "-O2", "-shared", "-fPIC", "handler.c", "-o", "handler.so"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "handler.so"


def _is_hidden(feature: str) -> bool:
    return feature.startswith(("avx512", "amx")) or feature in ("avx_vnni", "gfni")


def without_cpuid(library: Path) -> None:
    """Replace a library, or a link to it, by a copy without the instruction, which is found by disassembling it."""
    real = library.resolve()
    data = bytearray(real.read_bytes())
    for address in _addresses(real):
        at = next(address - start + offset for offset, start, size in _segments(real) if 0 <= address - start < size)
        if data[at : at + 2] != _CPUID:
            raise ValueError(f"no cpuid at {address:x} of {library.name}")
        data[at : at + 2] = _NONE
    library.unlink()
    library.write_bytes(data)


def _addresses(library: Path) -> list[int]:
    # The listing of a library is gigabytes: only the lines that matter come here.
    command = 'objdump -d --no-show-raw-insn "$0" | grep -w cpuid'
    done = subprocess.run(["sh", "-c", command, library], capture_output=True, text=True, check=False)
    return [int(line.partition(":")[0], 16) for line in done.stdout.splitlines()]


def _segments(library: Path) -> list[tuple[int, int, int]]:
    """Place in the file, address and size of what is loaded."""
    done = subprocess.run(["readelf", "-lW", library], capture_output=True, text=True, check=True)
    words = [line.split() for line in done.stdout.splitlines()]
    return [(int(w[1], 16), int(w[2], 16), int(w[4], 16)) for w in words if w[:1] == ["LOAD"]]
