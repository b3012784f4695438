"""What the processor can do, asked of the processor itself: an emulator shows the list of the machine it runs on."""

from __future__ import annotations

import importlib
import os
from functools import cache
from pathlib import Path

VARIABLE = "EDGEWRIGHT_CPU_FEATURES"
_CPUINFO = Path("/proc/cpuinfo")
# NumPy's names that differ from those of Linux by more than capitals.
_LINUX_NAMES = {
    "LZCNT": "abm",
    "AVX512BF16": "avx512_bf16",
    "AVX512BITALG": "avx512_bitalg",
    "AVX512FP16": "avx512_fp16",
    "AVX512VBMI2": "avx512_vbmi2",
    "AVX512VNNI": "avx512_vnni",
    "AVX512VPOPCNTDQ": "avx512_vpopcntdq",
    "BMI": "bmi1",
    "FMA3": "fma",
    "LAHF": "lahf_lm",
    "SSE3": "pni",
    "SSE41": "sse4_1",
    "SSE42": "sse4_2",
}


def cpu_features() -> frozenset[str]:
    """List what the processor has, under the names of Linux (`avx2`, `avx512_vnni`, `asimddp`).

    Linux shows the complete list, but under `qemu-x86_64 -cpu Haswell` it is the list of the host. NumPy asks the
    processor (CPUID) for a part of it: where that denies one feature that Linux shows, only NumPy's list holds.

    Returns:
        The words of `EDGEWRIGHT_CPU_FEATURES` where that is set, else what was found; empty where nobody says.
    """
    given = os.environ.get(VARIABLE)
    return _features() if given is None else frozenset(given.split())


def is_host() -> bool:
    """Return whether these are the features of the machine itself, which a compiler finds too (`-march=native`)."""
    return cpu_features() == (_shown() or _features())


@cache
def _features() -> frozenset[str]:
    """Return the list of Linux, or NumPy's where the processor denies a part of it."""
    shown = _shown()
    request = _numpy_answers()
    features = frozenset(name for name, present in request.items() if present)
    denied = frozenset(request) - features
    return shown if shown and not denied & shown else features


@cache
def _shown() -> frozenset[str]:
    """Return the list of Linux."""
    try:
        lines = _CPUINFO.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(flags.partition(":")[2].split())


def _numpy_answers() -> dict[str, bool]:
    """Return what NumPy asked the processor for, and the answer."""
    module = importlib.import_module("numpy._core._multiarray_umath")
    answers: dict[str, bool] = getattr(module, "__cpu_features__", {})
    return {_LINUX_NAMES.get(name, name.lower()): present for name, present in answers.items()}
