"""Processors that are emulated: what a program prints on one of them, and networks trained outside the emulator."""

from __future__ import annotations

import atexit
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache, wraps

from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction import objects
from edgewright.core.records.network import Graph
from support import environment, left_out

# With AVX2 and no VNNI, and with SSE4.2 alone.
PROCESSORS = ("Haswell", "Nehalem")
# Answers requests of lines [module, function, arguments]: a line with the count of bytes, then the model.
_TRAINER = """
import json, sys
from importlib import import_module
from edgewright.graph.onnx_writer import to_onnx
for line in sys.stdin:
    module, name, arguments = json.loads(line)
    model = to_onnx(getattr(import_module(module), name)(*arguments))
    sys.stdout.buffer.write(b"%d\\n" % len(model) + model)
    sys.stdout.buffer.flush()
"""


def on_processor(name: str, code: str, *arguments: str) -> str:
    """Return what a piece of Python prints on a processor; left out where there is no emulator.

    Only the process itself is emulated: what it starts runs on this machine's processor.
    """
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or platform.machine() != "x86_64":
        left_out("no qemu-x86_64 (Debian: qemu-user) on an x86-64 machine")
        return ""
    command = [emulator, "-cpu", name, sys.executable, "-c", code, *arguments]
    # OpenBLAS asks the machine itself and would choose instructions that the emulated processor lacks.
    named = {**environment(), "OPENBLAS_CORETYPE": name}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=named)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def trained_on_host(train: Callable[..., Graph]) -> Callable[..., Graph]:
    """Make a function of a module train its graph on this machine's processor, once for its arguments.

    JAX needs AVX, and an emulator takes minutes over its compiler. What an emulated process starts is not emulated.
    """

    @cache
    @wraps(train)
    def make(*arguments: str) -> Graph:
        if objects.is_host():
            return train(*arguments)
        trainer = _trainer()
        assert trainer.stdin is not None and trainer.stdout is not None
        trainer.stdin.write(json.dumps([train.__module__, train.__name__, arguments]).encode() + b"\n")
        trainer.stdin.flush()
        size = trainer.stdout.readline()
        assert size, f"training {train.__name__} failed"
        return read_onnx(trainer.stdout.read(int(size)))

    return make


@cache
def _trainer() -> subprocess.Popen[bytes]:
    """Start the process that trains for the whole session: JAX takes longer to import than a small network to train."""
    own = {key: value for key, value in environment().items() if key != objects.VARIABLE}
    trainer = subprocess.Popen([sys.executable, "-c", _TRAINER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=own)
    atexit.register(_end, trainer)
    return trainer


def _end(trainer: subprocess.Popen[bytes]) -> None:
    for pipe in (trainer.stdin, trainer.stdout):
        if pipe is not None:
            pipe.close()
    trainer.wait()
