"""A signer that is away is told: to supervisors by /readyz, to people beside every rollout."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from cli_runner import Cli
from edgewright.fleet.server.http_server import Listening
from edgewright.fleet.server.signer.supervisor import signer_away
from rollout_example import Example

COMMAND = str(Path(sys.executable).with_name("edgewright"))


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60.0
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_signer_that_is_away_is_told_until_another_is_there(tmp_path: Path, cli: Cli) -> None:
    example = Example(tmp_path / "e", time.time())
    example.started(starts=example.now, enrolled=example.now, expires=example.now + 86_400.0)
    example.close()
    folder, port = example.fleet.folder, str(Listening(port=0).checked().port)
    assert signer_away(folder) == ""  # nobody serves: commands sign by themselves

    def ready() -> tuple[int, str]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10, trust_env=False)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    def status() -> str:
        return cli("fleet", "rollout", "status", "--fleet", folder)

    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [COMMAND, "fleet", "serve", str(folder), "--port", port], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: ready()[0] == 200)
        assert "signer" not in status()
        children = [p for p in Path("/proc").glob("[0-9]*/status") if f"\nPPid:\t{server.pid}\n" in _text(p)]
        signers = [int(p.parent.name) for p in children if "signer.process" in _text(p.parent / "cmdline")]
        assert len(signers) == 1
        os.kill(signers[0], signal.SIGSTOP)  # it hangs, and its socket is gone
        (folder / "keys" / "online" / "signer.sock").unlink()
        assert re.search("signer is unavailable: it does not listen", status())
        until(lambda: ready()[0] == 503)
        assert "signer: it does not listen" in ready()[1]
        until(lambda: ready()[0] == 200)  # another one was started
        assert "signer" not in status()
    finally:
        server.terminate()
        server.wait(30)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
