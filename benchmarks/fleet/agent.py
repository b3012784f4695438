"""Resident memory of the agent's process: a device that joined, verified, reported and goes on polling."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.fleet.polling import resident_bytes
from benchmarks.fleet.subject import PRODUCT, served
from benchmarks.table import ONE_THREAD, ROOT, python
from edgewright.fleet.protocol.api_records import DevicePage, NewToken, TokenMade
from edgewright.fleet.protocol.layout import FleetSettings
from edgewright.fleet.repository.key_rotation import Quorum, create_fleet
from edgewright.fleet.server.api.client import local_client

_PATIENCE, _SETTLED = 60.0, 5.0


def resident(folder: Path) -> int:
    """Return bytes of `device run --fleet` itself, without the model's process, some seconds after its first report."""
    here = folder / "fleet"
    quorum = {role: Quorum(keys=1, threshold=1) for role in ("root", "targets", "releases")}
    create_fleet(here, FleetSettings(name="benchmark", products=(PRODUCT,)), quorum, None, time.time())
    with served(here) as (port, _), local_client(here) as desk:
        token = desk.ask(TokenMade, "POST", "/v1/fleet/tokens", NewToken()).token
        command = [str(Path(python()).parent / "edgewright"), "device", "run", f"--fleet=http://127.0.0.1:{port}"]
        process = subprocess.Popen(
            [*command, f"--token={token}", f"--store={folder / 'device'}", "--poll=1"],
            cwd=ROOT, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            until = time.monotonic() + _PATIENCE
            while not any(d.last for d in desk.ask(DevicePage, "GET", "/v1/fleet/devices").devices):
                if process.poll() is not None or time.monotonic() > until:
                    process.kill()
                    out = process.communicate()[0].decode()
                    raise RuntimeError(f"the agent did not report: {out[-2000:]}")
                time.sleep(0.1)
            time.sleep(_SETTLED)
            return resident_bytes(process.pid)
        finally:
            process.terminate()
            process.communicate(timeout=20)
