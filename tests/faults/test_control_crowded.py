"""A server that has no room, over real connections: whoever is sent away hears it, whatever the length of the body."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.fleet.agent.remote import HttpControl
from edgewright.fleet.ports import Unreachable
from edgewright.fleet.wire.http import HttpTransport
from edgewright.schema.fleet_report import Report
from fleet_plane import fleet_folder

pytestmark = pytest.mark.slow

SERVER = """
import sys
from pathlib import Path
from edgewright.fleet.control import running
from edgewright.fleet.control.plane import Limits, open_plane
from edgewright.fleet.control.serve import Listening, serve
running.PARTS = ()
plane = open_plane(Path(sys.argv[1]), limits=Limits(crowd=0))
sys.exit(serve(plane, Listening(port=0).checked(), lambda address: print(address, flush=True)))
"""


@pytest.mark.parametrize("length", [100, 900_000])
def test_whoever_is_sent_away_hears_when_to_come_and_keeps_its_connection(tmp_path: Path, length: int) -> None:
    folder = fleet_folder(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        transport = HttpTransport(process.stdout.readline().strip())
        control = HttpControl(transport, Ed25519PrivateKey.generate(), "ab" * 16)
        said = Report(nonce="", sequence=1, counter=1, floor=1, phase="idle", profile="x" * length)
        for _ in range(3):
            with pytest.raises(Unreachable, match="fewer devices at once") as told:
                control.report(said)
            assert told.value.wait is not None
            assert told.value.wait >= 2.0
            assert transport._connection is not None  # neither side had to close it
        transport.close()
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
