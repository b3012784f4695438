"""Processors that are emulated: what a program prints or writes on one of them."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys

from support import environment, left_out

# With AVX2 and no VNNI, and with SSE4.2 alone.
PROCESSORS = ("Haswell", "Nehalem")


def on_processor(name: str, code: str, *arguments: str) -> str:
    """What a piece of Python prints on a processor; left out where there is no emulator.

    Only the process itself is emulated: what it starts runs on this machine's processor.
    """
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or platform.machine() != "x86_64":
        left_out("no qemu-x86_64 (Debian: qemu-user) on an x86-64 machine")
        return ""
    command = [emulator, "-cpu", name, sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
