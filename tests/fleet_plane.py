"""A control plane for tests: in a folder, without a server, with devices that sign."""
# ruff: noqa: ANN401 - what tests send is of any kind

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.core.records.fleet import Acknowledged, Enrolled, Report
from edgewright.fleet.protocol.layout import FleetSettings
from edgewright.fleet.protocol.transport import public_text, sign
from edgewright.fleet.repository.folder import write_settings
from edgewright.fleet.server.api.app import LOCAL, App
from edgewright.fleet.server.control_plane import Plane, open_plane

PRODUCT = "pump"


def fleet_folder(folder: Path) -> Path:
    """Return a folder with a root that nobody can verify, which is all that tokens look at."""
    metadata = folder / "public" / "metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    (folder / "public" / "targets").mkdir(exist_ok=True)
    write_settings(folder, FleetSettings(name="test", products=(PRODUCT,)))
    (metadata / "root.json").write_text(json.dumps({"signed": {"version": 1}}))
    return folder


@contextmanager
def plane_of(folder: Path, **settings: Any) -> Iterator[Plane]:
    """Provide an open control plane."""
    plane = open_plane(fleet_folder(folder), **settings)
    try:
        yield plane
    finally:
        plane.close()


class Client:
    """Requests to an application; `local` are an administrator's."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        app = App(plane)

        async def trusted(scope: Any, receive: Any, send: Any) -> None:
            scope[LOCAL] = ("tester", "admin")
            await app(scope, receive, send)

        self._ways = {True: httpx.ASGITransport(app=trusted), False: httpx.ASGITransport(app=app)}

    async def ask(
        self, method: str, path: str, document: Any = None, *, local: bool = False, **more: Any
    ) -> httpx.Response:
        """One request with a JSON body."""
        async with httpx.AsyncClient(transport=self._ways[local], base_url="http://fleet") as client:
            if document is not None:
                more.setdefault("content", msgspec.json.encode(document))
                more["headers"] = {"content-type": "application/json", **more.get("headers", {})}
            return await client.request(method, path, **more)

    async def token(self, **changes: Any) -> str:
        """Return a new enrolment token."""
        answer = await self.ask("POST", "/v1/fleet/tokens", {"product": PRODUCT, **changes}, local=True)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])


class Device:
    """A device's side of the API, nothing else of it."""

    def __init__(self, client: Client) -> None:
        self.client, self.key = client, Ed25519PrivateKey.generate()
        self.id, self.nonce, self.sequence = "", "", -1

    async def send(self, endpoint: str, body: bytes, name: str = "") -> httpx.Response:
        """Return a signed request."""
        path = f"/v1/{endpoint}"
        headers = {"content-type": "application/json", **sign("POST", path, body, self.key, name or self.id)}
        return await self.client.ask("POST", path, content=body, headers=headers)

    async def enrol(self, token: str, **more: Any) -> httpx.Response:
        """Ask to be taken in and keep the answer."""
        record = {
            "token": token,
            "key": public_text(self.key),
            "name": "one",
            "profile": "pi",
            "product": PRODUCT,
            **more,
        }
        answer = await self.send("enroll", msgspec.json.encode(record), "new")
        if answer.status_code == 200:
            enrolled = msgspec.json.decode(answer.content, type=Enrolled)
            self.id, self.nonce = enrolled.device, enrolled.nonce
        return answer

    def body(self, **changes: Any) -> bytes:
        """Return the next report."""
        report = {"nonce": self.nonce, "sequence": self.sequence + 1, "counter": 1, "floor": 0, "phase": "idle"}
        return msgspec.json.encode(msgspec.json.decode(msgspec.json.encode({**report, **changes}), type=Report))

    async def report(self, **changes: Any) -> httpx.Response:
        """Send the next report and take the acknowledgement in."""
        answer = await self.send("report", self.body(**changes))
        if answer.status_code == 200:
            self.nonce, self.sequence = msgspec.json.decode(answer.content, type=Acknowledged).nonce, self.sequence + 1
        return answer


async def enrolled(client: Client) -> Device:
    """Return a device that was taken in."""
    device = Device(client)
    answer = await device.enrol(await client.token())
    assert answer.status_code == 200, answer.text
    return device


def post(address: str, device: Device, body: bytes, client: httpx.Client | None = None) -> tuple[int, bytes]:
    """Return a report over a real connection: status and body of the answer."""
    if client is None:
        with httpx.Client(timeout=20, trust_env=False) as own:
            return post(address, device, body, own)
    headers = {"content-type": "application/json", **sign("POST", "/v1/report", body, device.key, device.id)}
    answer = client.post(f"{address}/v1/report", content=body, headers=headers)
    return answer.status_code, answer.content


def acknowledged(address: str, device: Device) -> None:
    """Send the next report over a real connection; the server acknowledges it."""
    status, content = post(address, device, device.body())
    assert status == 200, content
    device.nonce, device.sequence = msgspec.json.decode(content, type=Acknowledged).nonce, device.sequence + 1


def enrolled_devices(folder: Path, count: int) -> list[Device]:
    """Return devices, enrolled while no server is at work."""

    async def go() -> list[Device]:
        plane = open_plane(folder)
        try:
            client, devices = Client(plane), []
            for _ in range(count):
                devices.append(Device(client))
                answer = await devices[-1].enrol(await client.token(product="main"), product="main")
                assert answer.status_code == 200, answer.text
            return devices
        finally:
            plane.close()

    return asyncio.run(go())
