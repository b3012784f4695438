"""`fleet serve` with TLS in a process of its own, for what a connection costs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.fleet.subject import PRODUCT
from benchmarks.fleet_scale._serving import add_devices
from benchmarks.table import python
from edgewright.fleet.protocol.layout import FleetSettings
from edgewright.fleet.repository.key_rotation import create_fleet
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.http_server import Listening

_COMMAND = "from edgewright.cli.main import main; main()"


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Provide port and process of a server with one device, and the certificate to trust (P-256, self-signed)."""
    settings = FleetSettings(name="benchmark", products=(PRODUCT,))
    fleet = create_fleet(folder / "fleet", settings, {}, None, time.time())[0]
    database = open_database(fleet.folder)
    add_devices(database, 1)
    database.close()
    certificate, key = folder / "tls.pem", folder / "tls.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "9",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    port = Listening(port=0).checked().port
    words = ["fleet", "serve", str(fleet.folder), "--port", str(port), "--tls-cert", str(certificate)]
    process = subprocess.Popen(
        [python(), "-c", _COMMAND, *words, "--tls-key", str(key)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None  # noqa: S101
    try:
        assert process.stdout.readline()  # noqa: S101 - it answers from here on
        yield port, process.pid, certificate
    finally:
        process.terminate()
        process.wait(30)
