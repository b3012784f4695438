"""Generated C that is compiled here, or runs on an emulated device, beside Python: calls with rows, and their proof."""

from __future__ import annotations

import ctypes
import importlib
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewright.proof.form import Stages
from edgewright.proof.stream import StreamForm, StreamSubject, prove_stream
from edgewright.schema.proof import AbsentForm, ProofRecord

Files = Mapping[str, str]
Result = TypeVar("Result")
Change = Callable[[Files], Files]


def compilers(absent: list[AbsentForm]) -> Iterator[tuple[str, str, str]]:
    """Name, command and note of each C compiler that is here; the others are put to `absent`."""
    host: Any = importlib.import_module("edgewright.export.c99_host.host")
    for compiler in host.compilers():
        if not compiler.command:
            absent.append(AbsentForm(name=f"C99 by {compiler.name}", reason=f"{compiler.name} is not installed"))
            continue
        note = " ".join([f"{compiler.name} {compiler.version}".rstrip(), *host.FLAGS])
        yield compiler.name, shlex.join(compiler.command), note


def replay_compiled(files: Files, function: str, command: str, rows: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Call `function(row, out)` of compiled C with each row; what it keeps in static memory stays from row to row.

    Args:
        files: C with the function.
        function: its name.
        command: of the compiler.
        rows: contiguous, one row a call.
        size: bytes that a call writes.

    Returns:
        The bytes, shape (rows, size).
    """
    host = importlib.import_module("edgewright.export.c99_host.host")

    def called(library: ctypes.CDLL) -> NDArray[np.uint8]:
        outputs = np.zeros((len(rows), size), np.uint8)
        for row, out in zip(rows, outputs, strict=True):
            library[function](ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(out.ctypes.data))
        return outputs

    with tempfile.TemporaryDirectory(prefix="edgewright-replay-") as folder:
        library = ctypes.CDLL(str(host.compile_c99(files, Path(folder), compiler=command, taps=False)))
    return in_child(partial(called, library))


def in_child(call: Callable[[], Result]) -> Result:
    """Return the result of a call of compiled C that runs in a child process; see `c99_host.apart`."""
    return importlib.import_module("edgewright.export.c99_host.apart").run_apart(call)  # type: ignore[no-any-return]


def replay_emulated(files: Files, function: str, device: str, rows: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Call `function(row, out)` on an emulated device, as `replay_compiled` does here; it stands in `FUNCTION.h`."""
    tools = importlib.import_module("edgewright.export.emulator")
    entry = tools.Entry(f"{function}.h", f"{function}(in, out);", rows[0].nbytes, size)
    outputs: NDArray[np.uint8] = tools.run_on_device(files, entry, device, rows).outputs
    return outputs


def prove_compiled(subject: StreamSubject, run: Callable[[str], tuple[Stages, Stages]]) -> ProofRecord:
    """Compare Python with the C of every compiler that is here; the subject's absent forms get the others.

    Args:
        subject: what is compared.
        run: from the command of a compiler, the stages of Python and those of its C.
    """
    absent: list[AbsentForm] = []
    forms = [StreamForm(f"C99 by {name}", partial(run, command), note) for name, command, note in compilers(absent)]
    return prove_stream(replace(subject, absent=(*subject.absent, *absent)), forms)
