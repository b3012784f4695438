"""A server that refuses, over real connections: whoever is sent away hears it, whatever the length of the body."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.fleet.device.control_client import HttpControl
from edgewright.fleet.protocol.ports import NotTaken, Unreachable
from edgewright.fleet.protocol.wire.transport import HttpTransport
from edgewright.schema.fleet_report import Report
from fleet_plane import fleet_folder

pytestmark = pytest.mark.slow

SERVER = """
import sys
from pathlib import Path
from edgewright.fleet.server import http_server
from edgewright.fleet.server.control_plane import Limits, open_plane
from edgewright.fleet.server.http_server import Listening, serve
http_server.PARTS = ()
plane = open_plane(Path(sys.argv[1]), limits=Limits(crowd=int(sys.argv[2])))
sys.exit(serve(plane, Listening(port=0).checked(), lambda address: print(address, flush=True)))
"""


@contextmanager
def server(folder: Path, crowd: int) -> Iterator[HttpTransport]:
    """Provide a server that hears so many at once, and a way to it."""
    command = [sys.executable, "-c", SERVER, str(fleet_folder(folder)), str(crowd)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        transport = HttpTransport(process.stdout.readline().strip())
        yield transport
        transport.close()
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def report(length: int) -> Report:
    """One with a body of so many bytes and some more."""
    return Report(nonce="", sequence=1, counter=1, floor=1, phase="idle", profile="x" * length)


@pytest.mark.parametrize("length", [100, 900_000])
def test_whoever_is_sent_away_hears_when_to_come_and_keeps_its_connection(tmp_path: Path, length: int) -> None:
    with server(tmp_path, 0) as transport:
        control = HttpControl(transport, Ed25519PrivateKey.generate(), "ab" * 16)
        for _ in range(3):
            with pytest.raises(Unreachable, match="fewer devices at once") as exception_info:
                control.report(report(length))
            assert exception_info.value.wait is not None
            assert exception_info.value.wait >= 2.0
            assert transport._connection is not None  # neither side had to close it


def test_whose_report_is_too_large_hears_it_and_not_that_the_connection_is_gone(tmp_path: Path) -> None:
    with server(tmp_path, 8) as transport:
        control = HttpControl(transport, Ed25519PrivateKey.generate(), "ab" * 16)
        for length in (2 << 20, 4 << 20, 5 << 20) * 4:
            with pytest.raises(NotTaken, match="a body of at most 1,048,576 bytes"):
                control.report(report(length))
            assert transport._connection is not None
