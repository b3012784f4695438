"""Every endpoint of the control plane: who may ask, what is refused, and that every refusal has the one shape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from edgewright.fleet.protocol.api_records import Problem
from edgewright.fleet.protocol.transport import sign
from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.api.endpoints import health
from edgewright.fleet.server.control_plane import Limits, Plane
from edgewright.fleet.server.endpoint import Endpoint, endpoints
from edgewright.fleet.server.rollouts import offered
from fleet_plane import Client, Device, enrolled, plane_of

ALL = endpoints()
OPERATORS = [e for e in ALL if e.who in ("viewer", "operator", "admin")]
TAKING = [e for e in ALL if e.takes is not None]
EXAMPLES = {"id": "0" * 32, "name": "nobody", "plan": "no-plan"}


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def path_of(endpoint: Endpoint) -> str:
    """Return a path of the right form, of something that is not there."""
    path = endpoint.path
    for name, pattern in endpoint.parameters.items():
        path = path.replace(f"{{{name}}}", "0" * 16 if "{16}" in pattern else EXAMPLES[name])
    return path


def refused(answer: httpx.Response, *statuses: int) -> Problem:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    problem = msgspec.json.decode(answer.content, type=Problem, strict=True)
    assert problem.status == answer.status_code
    assert problem.expected
    assert ("retry-after" in answer.headers) == bool(problem.wait)
    return problem


def run(folder: Path, go: Callable[[Client], Coroutine[Any, Any, None]], **settings: Any) -> None:  # noqa: ANN401
    with plane_of(folder, **settings) as plane:
        asyncio.run(go(Client(plane)))


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Provide one control plane for all requests that change nothing."""
    with plane_of(tmp_path_factory.mktemp("refusing"), limits=Limits(report=8000, body=6000)) as plane:
        yield plane


@pytest.fixture(scope="module")
def viewer(refusing: Plane) -> str:
    """Return the token of somebody who may look."""
    request = Client(refusing).ask("POST", "/v1/fleet/operators", {"name": "eve", "role": "viewer"}, local=True)
    return str(asyncio.run(request).json()["token"])


async def send(client: Client, device: Device, endpoint: Endpoint, content: bytes, **headers: str) -> httpx.Response:
    """As whoever may ask."""
    path, named = path_of(endpoint), {"content-type": "application/json"}
    if endpoint.who in ("device", "enrolling"):
        name = device.id if endpoint.who == "device" else "new"
        named |= sign(endpoint.method, path, content, device.key, name)
    local = endpoint.who in ("viewer", "operator", "admin")
    return await client.ask(endpoint.method, path, local=local, content=content, headers={**named, **headers})


@pytest.mark.parametrize("endpoint", OPERATORS, ids=named)
def test_nobody_asks_without_a_token(refusing: Plane, endpoint: Endpoint) -> None:
    async def go(client: Client) -> None:
        for given in ({}, {"authorization": "Bearer x"}, {"authorization": f"Bearer ewo.ada.{'x' * 32}"}):
            answer = await client.ask(endpoint.method, path_of(endpoint), headers=given)
            refused(answer, 401)
            assert "Bearer" in answer.headers["www-authenticate"]

    asyncio.run(go(Client(refusing)))


@pytest.mark.parametrize("endpoint", [e for e in OPERATORS if e.who != "viewer"], ids=named)
def test_a_viewer_changes_nothing(refusing: Plane, viewer: str, endpoint: Endpoint) -> None:
    async def go(client: Client) -> None:
        token = {"authorization": f"Bearer {viewer}"}
        answer = await client.ask(endpoint.method, path_of(endpoint), headers=token)
        assert endpoint.who in refused(answer, 403).expected

    asyncio.run(go(Client(refusing)))


@pytest.mark.parametrize("endpoint", TAKING, ids=named)
def test_what_is_wrong_is_refused_in_one_shape(refusing: Plane, endpoint: Endpoint) -> None:
    async def go(client: Client) -> None:
        device = await enrolled(client)
        deep = b"[" * 100_000
        largest = endpoint.largest or (8000 if endpoint.who == "device" else 6000)
        for content in (b"", b"{", b"[]", b"null", b'"text"', b'{"a":1}', b"\xff\xfe", b"\x00", deep[: largest - 10]):
            refused(await send(client, device, endpoint, content), 400)
        assert refused(await send(client, device, endpoint, b"x" * (largest + 1)), 413).expected
        refused(await send(client, device, endpoint, b"{}", **{"content-encoding": "gzip"}), 415)
        refused(await send(client, device, endpoint, b"{}", **{"content-type": "text/plain"}), 415)

    asyncio.run(go(Client(refusing)))


@pytest.mark.parametrize("endpoint", [e for e in OPERATORS if e.parameters], ids=named)
def test_what_is_not_there_is_said(refusing: Plane, endpoint: Endpoint) -> None:
    async def go(client: Client) -> None:
        body = {"reason": "x"} if endpoint.takes is not None else None
        answer = await client.ask(endpoint.method, path_of(endpoint), body, local=True)
        refused(answer, 404, 400, 409)
        strange = endpoint.path
        for name in endpoint.parameters:
            strange = strange.replace(f"{{{name}}}", "%F0%9F%92%A9")
        refused(await client.ask(endpoint.method, strange, body, local=True), 404)

    asyncio.run(go(Client(refusing)))


@pytest.mark.parametrize("endpoint", [e for e in ALL if e.query is not None], ids=named)
def test_a_query_is_as_described(refusing: Plane, endpoint: Endpoint) -> None:
    async def go(client: Client) -> None:
        for query in ("limit=0", "limit=x", "limit=99999", "unknown=1", "limit=1&limit=2"):
            refused(await client.ask("GET", f"{path_of(endpoint)}?{query}", local=True), 400)

    asyncio.run(go(Client(refusing)))


def test_other_paths_and_methods_have_the_same_shape(tmp_path: Path) -> None:
    async def go(client: Client) -> None:
        refused(await client.ask("GET", "/"), 404)
        refused(await client.ask("GET", "/v1/fleet"), 404)
        # Agents of 0.2.0 with --federate: 410 would retire them.
        refused(await client.ask("POST", "/v1/federation", {"body": ""}), 404)
        answer = await client.ask("PATCH", "/v1/report")
        refused(answer, 405)
        assert "POST" in answer.headers["allow"]

    run(tmp_path, go)


def test_a_mistake_of_the_server_tells_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go(client: Client) -> None:
        def broken(*given: object) -> None:
            raise RuntimeError("the secret inside")

        monkeypatch.setattr(offered, "decide_intent", broken)
        device = await enrolled(client)
        record = {"nonce": device.nonce, "plan": "p", "counter": 1, "stage": 0}
        answer = await device.send("intent", msgspec.json.encode(record))
        refused(answer, 500)
        assert "secret" not in answer.text

    run(tmp_path, go)
    lines = [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines()]
    assert any(line["event"] == "broken" and "the secret inside" in line["error"] for line in lines)


def test_a_body_that_comes_too_slowly_or_grows_is_cut_off(tmp_path: Path) -> None:
    async def go(client: Client) -> None:
        async def status_of(parts: list[bytes], wait: float) -> int:
            status = 0
            scope = {
                "type": "http", "method": "POST", "path": "/v1/report", "query_string": b"", "headers": [],
                "http_version": "1.1", "scheme": "http", "server": ("fleet", 80), "root_path": "",
            }  # fmt: skip

            async def receive() -> dict[str, Any]:
                await asyncio.sleep(wait)
                return {"type": "http.request", "body": parts.pop(0) if parts else b"", "more_body": True}

            async def send(message: Any) -> None:  # noqa: ANN401 - of ASGI
                nonlocal status
                status = message.get("status", status)

            await App(client.plane)(scope, receive, send)
            return status

        assert await status_of([], 0.02) == 408
        assert await status_of([b"x" * 600] * 10, 0.0) == 413

    run(tmp_path, go, limits=Limits(report=2000, seconds=0.1))


@pytest.mark.parametrize(
    "header",
    [(b"host", b"[::"), (b"host", b"\xff:x"), (b"content-length", b"\xb2"), (b"content-length", b"-1"),
     (b"content-type", b"\xff"), (b"signature-input", b"\xff" * 50), (b"signature", b"device=:x:"),
     (b"authorization", b"Bearer \xff"), (b"content-digest", b"sha-256=::")],
)  # fmt: skip
def test_odd_headers_are_no_mistake_of_the_server(tmp_path: Path, header: tuple[bytes, bytes]) -> None:
    async def go(client: Client) -> None:
        device = await enrolled(client)
        body = device.body()
        for path in ("/v1/report", "/v1/fleet/tokens", "/v1/enroll"):
            signed = {"content-type": "application/json", **sign("POST", path, body, device.key, device.id)}
            named = {name.lower(): value.encode() for name, value in signed.items()}
            status = 0
            scope: dict[str, Any] = {
                "type": "http", "method": "POST", "path": path, "query_string": b"\xff=%ff", "http_version": "1.1",
                "headers": [(name.encode(), value) for name, value in {**named, header[0].decode(): header[1]}.items()],
                "scheme": "http", "server": ("fleet", 80), "root_path": "",
            }  # fmt: skip

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: Any) -> None:  # noqa: ANN401 - of ASGI
                nonlocal status
                status = message.get("status", status)

            await App(client.plane)(scope, receive, send)
            assert 200 <= status < 500

    run(tmp_path, go)


def test_the_description_names_every_endpoint_and_its_refusals() -> None:
    document = health.document(ALL)
    assert document["openapi"].startswith("3.1")
    for endpoint in ALL:
        record = document["paths"][endpoint.path][endpoint.method.lower()]
        assert str(endpoint.status) in record["responses"]
        assert record["summary"].endswith(".")
        assert ("security" in record) == (endpoint.who != "anyone")
        assert ("401" in record["responses"]) == (endpoint.who != "anyone")
    text = msgspec.json.encode(document).decode()
    for part in text.split('"$ref":"#/components/schemas/')[1:]:
        assert part.split('"')[0] in document["components"]["schemas"]
