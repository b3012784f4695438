"""A language model in a GGUF file, served on loopback by llama.cpp while it is needed: started and ended here alone."""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple

from edgewright.core.request_origin import free_port
from edgewright.schema.errors import InputError, OutputError

PROGRAM = "llama-server"
CONTEXT = 4096
"""Tokens of prompt and answer at most: memory grows with them, and models take up to a million."""
_HOST = "127.0.0.1"
_PAUSE_S, _END_S = 0.1, 5.0
_LOG_BYTES = 1 << 16
_loading: set[subprocess.Popen[bytes]] = set()


class RunningModel(NamedTuple):
    """A server that has loaded its model.

    Attributes:
        address: of its API, with the key as the password.
        process: its number.
    """

    address: str
    process: int

    def peak_bytes(self) -> int | None:
        """Return the largest resident memory so far, weights included; None where the system does not say."""
        try:
            status = Path(f"/proc/{self.process}/status").read_text(encoding="utf-8")
        except OSError:
            return None
        return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), None)


@contextmanager
def served(model: Path, seconds: float) -> Iterator[RunningModel]:
    """Start a server for a model, yield it when it has loaded the model, and end it.

    It is `llama-server` of the PATH, else llama.cpp of the package xllamacpp.

    Args:
        model: GGUF file.
        seconds: for loading.

    Raises:
        InputError: neither is installed.
        OutputError: it ends, or does not load the model in time.
    """
    port = free_port(_HOST, 0)
    options = ["--model", str(model), "--host", _HOST, "--port", str(port), "--ctx-size", str(CONTEXT)]
    options += ["--parallel", "1", "--threads", str(_threads())]
    command, key = [*_program(model), *options], secrets.token_urlsafe(32)
    # Other users of the machine reach the port and read the arguments of a process, but not its environment.
    environment = {**os.environ, "LLAMA_API_KEY": key}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        _loading.add(process)
        try:
            deadline = time.monotonic() + seconds
            while not _is_ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise OutputError(f"llama.cpp to load {model.name}", _reason(log), str(model),
                                      "Try another file, or a longer --wait")  # fmt: skip
                time.sleep(_PAUSE_S)
            _loading.discard(process)
            yield RunningModel(f"http://:{key}@{_HOST}:{port}", process.pid)
        finally:
            _loading.discard(process)
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


def stop_loading() -> None:
    """End the servers that still load their models: another thread waits for them, and a signal reaches it not."""
    for process in tuple(_loading):
        process.terminate()


def _program(model: Path) -> list[str]:
    program = shutil.which(PROGRAM)
    if program is not None:
        return [program]
    if find_spec("xllamacpp") is None:
        raise InputError(f"llama.cpp, which runs {model.name}", f"no {PROGRAM} on the PATH and no package xllamacpp",
                         "", "Install edgewright[llm], or llama.cpp")  # fmt: skip
    return [sys.executable, "-m", "edgewright.language.language_models._engine"]


def _threads() -> int:
    """Return the threads of the model: OMP_NUM_THREADS, else the processors that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=2)
    try:
        connection.request("GET", "/health")
        # 503 while it loads.
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reason(log: IO[bytes]) -> str:
    """Return the first error that the program printed, else its last line."""
    log.seek(0)
    lines = log.read()[-_LOG_BYTES:].decode("utf-8", "replace").split("\n")
    printed = [" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in lines]
    errors = [line for line in printed if " E " in line or "error" in line.lower()]
    return (errors[:1] or [line for line in printed if line][-1:] or ["no answer"])[0][:200]
