"""Processors that are emulated: what a program prints on one of them, and networks trained outside the emulator."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache, wraps

from edgewright.runtime import processor
from edgewright.runtime.onnx_reader import read_onnx
from edgewright.schema.graph import Graph
from support import environment, left_out

# With AVX2 and no VNNI, and with SSE4.2 alone.
PROCESSORS = ("Haswell", "Nehalem")
_TRAIN = """
import sys
from {module} import {name} as train
from edgewright.graph.onnx_writer import to_onnx
sys.stdout.buffer.write(to_onnx(train(*sys.argv[1:])))
"""


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


def trained_on_host(train: Callable[..., Graph]) -> Callable[..., Graph]:
    """A function of a module that trains a graph, made to train on this machine's processor, once for its arguments.

    JAX needs AVX, and an emulator takes minutes over its compiler. What an emulated process starts is not emulated.
    """

    @cache
    @wraps(train)
    def make(*arguments: str) -> Graph:
        if processor.is_host():
            return train(*arguments)
        code = _TRAIN.format(module=train.__module__, name=train.__name__)
        own = {key: value for key, value in environment().items() if key != processor.VARIABLE}
        done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, env=own, check=True)
        return read_onnx(done.stdout)

    return make
