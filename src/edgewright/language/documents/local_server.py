"""A language model in a GGUF file, served on loopback by llama.cpp's own server while it is needed."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from edgewright.core.request_origin import free_port
from edgewright.schema.errors import InputError, OutputError

PROGRAM = "llama-server"
_HOST = "127.0.0.1"
_PAUSE_S, _END_S = 0.1, 5.0


@contextmanager
def served(model: Path, seconds: float) -> Iterator[str]:
    """Start a server for a model, yield its address when it has loaded the model, and end it.

    Args:
        model: GGUF file.
        seconds: for loading.

    Raises:
        InputError: the program is not installed.
        OutputError: it ends, or does not load the model in time.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise InputError(f"the program {PROGRAM} of llama.cpp, which runs {model.name}", "none on the PATH", "",
                         "Install llama.cpp, or pass the address of a server: --phrase URL")  # fmt: skip
    port = free_port(_HOST, 0)
    command = [program, "--model", str(model), "--host", _HOST, "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + seconds
            while not _is_ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise OutputError(f"{PROGRAM} to load {model.name}", _last_line(log), str(model),
                                      "Try another file, or a longer --wait")  # fmt: skip
                time.sleep(_PAUSE_S)
            yield f"http://{_HOST}:{port}"
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


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


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read()[-4096:].decode("utf-8", "replace").split("\n")
    printed = [" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in lines]
    return next((line[:200] for line in reversed(printed) if line), "no answer")
