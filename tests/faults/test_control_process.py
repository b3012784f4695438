"""The control plane as a process: killed between commit and answer, ended in order, and kept on this machine."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgewright.core.errors import CertificateError, InputError, OutputError
from edgewright.core.records.fleet import Acknowledged
from edgewright.fleet.protocol.api_records import AuditVerified, NewOperator, OperatorMade, Overview
from edgewright.fleet.server.api.client import local_client, remote_client
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.tables import items, reports
from edgewright.fleet.server.http_server import Listening, serve
from fleet_plane import Client, Device, enrolled, fleet_folder, plane_of, post

# A server without the parts that need keys; with FALLS set, it dies after that many commits and before their answers.
SERVER = """
import os, signal, sys
from pathlib import Path
from edgewright.fleet.server import http_server
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.database import group_commit
from edgewright.fleet.server.http_server import Listening, serve
http_server.PARTS = ()
left = [int(os.environ.get("FALLS", "0"))]
class Falling(group_commit.Future):
    def set_result(self, result):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        super().set_result(result)
group_commit.Future = Falling
tls = [Path(p) for p in sys.argv[2:4]] or [None, None]
where = Listening(port=0, certificate=tls[0], key=tls[1]).checked()
sys.exit(serve(open_plane(Path(sys.argv[1])), where, lambda address: print(address, flush=True)))
"""


@contextmanager
def serving(folder: Path, *more: str, falls: int = 0) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Provide a server and its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "FALLS": str(falls)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    log: list[bytes] = []
    reader = threading.Thread(target=lambda: log.extend(process.stderr or ()), daemon=True)
    reader.start()
    try:
        address = process.stdout.readline().decode().strip()
        assert address, b"".join(log)
        yield address, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(20)
        reader.join(5)
        process.stdout.close()
        process.stderr.close()


def one_device(folder: Path) -> Device:
    async def go(plane: Any) -> Device:  # noqa: ANN401
        return await enrolled(Client(plane))

    with plane_of(folder) as plane:
        return asyncio.run(go(plane))


@pytest.mark.slow
def test_a_report_whose_answer_was_lost_in_a_kill_is_acknowledged_again_and_none_is_lost(tmp_path: Path) -> None:
    device, reported = one_device(tmp_path), 0
    acknowledged: list[int] = []
    for falls in (1, 2, 4):
        with serving(tmp_path, falls=falls) as (address, process):
            for number in range(falls):
                item = {"device": "d", "boot": 1, "sequence": reported, "kind": "event", "put": 1.0, "body": {}}
                body = device.body(items=[item])
                if number + 1 < falls:
                    status, content = post(address, device, body)
                    assert status == 200
                    answer = msgspec.json.decode(content, type=Acknowledged)
                    device.nonce, device.sequence, reported = answer.nonce, device.sequence + 1, reported + 1
                    acknowledged += [sequence for _, sequence in answer.durable]
                    continue
                with pytest.raises(httpx.TransportError):
                    post(address, device, body)
            assert process.wait(20) == -signal.SIGKILL
        with serving(tmp_path) as (address, _):
            status, content = post(address, device, body)  # the very same bytes: written before the kill, told now
            assert status == 200
            answer = msgspec.json.decode(content, type=Acknowledged)
            device.nonce, device.sequence, reported = answer.nonce, device.sequence + 1, reported + 1
            acknowledged += [sequence for _, sequence in answer.durable]
    database = open_database(tmp_path)
    with database.reading() as connection:
        there = set(connection.execute(sa.select(items.c.sequence)).scalars())
        sequences = connection.execute(sa.select(reports.c.sequence).order_by(reports.c.id)).scalars().all()
    database.close()
    assert set(acknowledged) <= there
    assert acknowledged == list(range(reported))
    assert sequences == list(range(reported))


@pytest.mark.slow
def test_a_server_killed_under_load_has_every_report_that_it_acknowledged(tmp_path: Path) -> None:
    async def many(plane: Any) -> list[Device]:  # noqa: ANN401
        client = Client(plane)
        return [await enrolled(client) for _ in range(8)]

    with plane_of(tmp_path) as plane:
        devices = asyncio.run(many(plane))
    sequences: dict[str, int] = {}

    enough = threading.Semaphore(0)

    def report(device: Device, address: str) -> None:
        with httpx.Client(timeout=20, trust_env=False) as client:
            while True:
                try:
                    status, content = post(address, device, device.body(), client)
                except httpx.TransportError:
                    return
                if status != 200:
                    return
                device.nonce = msgspec.json.decode(content, type=Acknowledged).nonce
                device.sequence += 1
                sequences[device.id] = device.sequence
                enough.release()

    with serving(tmp_path) as (address, process):
        threads = [threading.Thread(target=report, args=(device, address)) for device in devices]
        for thread in threads:
            thread.start()
        for _ in range(60):
            assert enough.acquire(timeout=30)
        process.kill()
        for thread in threads:
            thread.join(30)
    assert sum(sequence + 1 for sequence in sequences.values()) >= 60
    database = open_database(tmp_path)
    with database.reading() as connection:
        for device in devices:
            stored = connection.execute(sa.select(reports.c.sequence).where(reports.c.device == device.id)).scalars()
            assert set(stored) >= set(range(sequences[device.id] + 1))
    database.close()


@pytest.mark.slow
def test_commands_on_the_folder_work_beside_the_server(tmp_path: Path) -> None:
    device, ended = one_device(tmp_path), threading.Event()
    statuses: list[int] = []

    def report(address: str) -> None:
        while not ended.is_set():
            status, content = post(address, device, device.body())
            statuses.append(status)
            if status != 200:
                return  # it asked too often; it has been heard often enough
            device.nonce = msgspec.json.decode(content, type=Acknowledged).nonce
            device.sequence += 1

    with serving(tmp_path) as (address, _), local_client(tmp_path) as desk:
        thread = threading.Thread(target=report, args=(address,))
        thread.start()
        for number in range(15):
            operator = desk.ask(
                OperatorMade, "POST", "/v1/fleet/operators", NewOperator(name=f"o{number}", role="viewer")
            )
            headers = {"authorization": f"Bearer {operator.token}"}
            answer = httpx.get(f"{address}/v1/fleet/overview", headers=headers, timeout=20, trust_env=False)
            assert answer.status_code == 200  # the server knows what the command wrote
        ended.set()
        thread.join(30)
        verified = desk.ask(AuditVerified, "GET", "/v1/fleet/audit/verified")
    assert verified.problem == ""
    assert verified.rows >= 15
    assert set(statuses) <= {200, 429}
    assert 200 in statuses


@pytest.mark.slow
def test_it_ends_in_order_on_both_signals(tmp_path: Path) -> None:
    fleet_folder(tmp_path)
    for number in (signal.SIGTERM, signal.SIGINT):
        with serving(tmp_path) as (address, process):
            answer = httpx.get(f"{address}/readyz", timeout=10, trust_env=False)
            assert answer.json() == {"ok": True, "why": ""}
            process.send_signal(number)
            assert process.wait(20) == number
    assert not list(tmp_path.glob("*-wal"))  # the last connection took it in


@pytest.mark.slow
def test_with_a_certificate_it_speaks_tls_and_operators_ask_from_elsewhere(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    folder = tmp_path / "fleet"
    fleet_folder(folder)
    with local_client(folder) as desk:
        operator = desk.ask(OperatorMade, "POST", "/v1/fleet/operators", NewOperator(name="ada", role="viewer"))
    with serving(folder, str(certificate), str(key)) as (address, _):
        assert address.startswith("https://")
        with remote_client(address, operator.token, str(certificate)) as desk:
            assert desk.ask(Overview, "GET", "/v1/fleet/overview").devices == 0
            with pytest.raises(InputError, match="role admin"):
                desk.ask(OperatorMade, "POST", "/v1/fleet/operators", NewOperator(name="eve", role="admin"))
        with remote_client(address, operator.token) as desk, pytest.raises(OutputError):
            desk.ask(Overview, "GET", "/v1/fleet/overview")  # nobody vouches for that certificate


def test_other_machines_reach_it_with_tls_only(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "fleet.example"):  # noqa: S104
        with pytest.raises(CertificateError):
            Listening(host=host, port=0).checked()
    assert Listening(host="0.0.0.0", port=0, behind_proxy=True).checked().port > 0  # noqa: S104
    with pytest.raises(CertificateError, match="one of them"):
        Listening(certificate=tmp_path / "x").checked()
    with pytest.raises(CertificateError):
        Listening(certificate=tmp_path / "x", key=tmp_path / "x").checked()
    first = Listening(port=0).checked()
    assert first.address == f"http://127.0.0.1:{first.port}"


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fleet")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "tls.pem", folder / "tls.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.slow
def test_a_folder_is_served_by_one_process(tmp_path: Path) -> None:
    folder = fleet_folder(tmp_path)
    with serving(folder), pytest.raises(InputError, match="being served"):
        serve(open_plane(folder), Listening(port=0).checked(), lambda _: None)
    with serving(folder):  # who was killed keeps nobody out
        pass
