"""The composition of `deploy` at work: a device joins and is updated through it: files, limits."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from composed_devices import refused_as_usual
from composed_fleet import NAME, Composed
from edgewright.fleet.repository.distribution import CACHE
from fleet_servers import until

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
MIB = 1 << 20
HIDDEN = (
    "/", "/metrics", "/healthz", "/readyz", "/openapi.json", "/fleet.toml", "/database.url", "/metadata/", "/keys/",
    "/targets/../../fleet.toml", "/metadata/..%2f..%2fdatabase.url",
)  # fmt: skip


def test_a_device_joins_and_takes_a_release(updated: Composed) -> None:
    """All of it is in the fixture; here is what the fleet and the files then say."""
    record = json.loads(updated.ask("edgewright", "fleet", "devices", "--fleet", "/fleet", "--json"))
    assert [one["counter"] for one in record["devices"] if one["counter"]] == [1]
    assert (updated.data / "fleet" / "monday.sqlite").stat().st_uid == 10001
    assert "rows are valid" in updated.ask("edgewright", "fleet", "audit", "verify", "--fleet", "/fleet")
    owners = {one.stat().st_uid for one in (updated.data / "fleet").rglob("*")}
    assert owners == {10001}, "a command of the document has left files that the servers cannot change"


def test_files_come_from_the_disk_as_the_document_promises(updated: Composed) -> None:
    public = updated.data / "fleet" / "public"
    large = next((public / "targets").rglob("*.edge"))
    role = max(one.name for one in (public / "metadata").glob("*.snapshot.json"))
    request = {
        "metadata/timestamp.json": ("/metadata/timestamp.json", 200),
        "metadata/root.json": ("/metadata/root.json", 200),
        "metadata/N.ROLE.json": (f"/metadata/{role}", 200),
        "targets/**/SHA256.NAME": (f"/{large.relative_to(public)}", 200),
        "status 404 below metadata/ (the next root)": ("/metadata/99.root.json", 404),
        "status 404 below targets/": (f"/targets/pump/{'0' * 64}.pump-9.edge", 404),
    }
    assert request.keys() == CACHE.keys()
    served = f"http://{updated.engine.reach('server-1', 8798)}"
    with updated.web() as web, httpx.Client(base_url=served, trust_env=False, timeout=60) as server:
        for kind, (path, status) in request.items():
            answer, ours = web.get(path), server.get(path)
            assert answer.status_code == ours.status_code == status, kind
            assert answer.headers["cache-control"] == ours.headers["cache-control"] == CACHE[kind], kind
            assert answer.headers["x-content-type-options"] == "nosniff", kind
            if status == 200:
                assert answer.content == (public / path[1:]).read_bytes(), kind
                assert answer.headers["content-type"] == ours.headers["content-type"], kind
                again = web.get(path, headers={"if-none-match": answer.headers["etag"]})
                assert (again.status_code, again.content) == (304, b""), kind
                assert again.headers["cache-control"] == CACHE[kind], kind
                assert "content-encoding" not in web.get(path, headers={"accept-encoding": "gzip"}).headers, kind
        whole, path = large.read_bytes(), f"/{large.relative_to(public)}"
        assert hashlib.sha256(whole).hexdigest() == large.name.partition(".")[0]
        first = web.get(path, headers={"range": "bytes=0-99"})
        rest = web.get(path, headers={"range": "bytes=100-", "if-range": first.headers["etag"]})
        assert (first.status_code, rest.status_code) == (206, 206)
        assert first.content + rest.content == whole
        assert web.get(path, headers={"range": f"bytes={len(whole)}-"}).status_code == 416
        assert web.post("/metadata/timestamp.json").status_code == 405
        for hidden in HIDDEN:
            assert web.get(hidden).status_code in (400, 403, 404), hidden


def test_a_body_that_is_too_large_ends_at_nginx(fleet: Composed) -> None:
    with fleet.web() as web:
        fits = web.post("/v1/report", content=b" " * MIB)
        assert (fits.status_code, fits.json()["status"]) == (401, 401)  # the server says it: nobody signed it
        beyond = web.post("/v1/report", content=b" " * (MIB + 1))
        assert beyond.status_code == 413
        assert beyond.headers["content-type"] == "text/html"


def test_who_is_sent_away_in_a_crowd_is_told_when_to_come_again(fleet: Composed) -> None:
    """Both servers are full of bodies that do not come: nobody is told 502, which says nothing."""
    with ExitStack() as stack, fleet.web() as web:
        for name in ("server-1", "server-2"):
            host, port = fleet.engine.reach(name, 8798).split(":")
            for _ in range(8):
                connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
                connection.sendall(f"POST /v1/report HTTP/1.1\r\nhost: x\r\ncontent-length: {MIB}\r\n\r\n ".encode())
        long = b" " * 10_000
        until(lambda: web.post("/v1/report", content=long).status_code == 503)
        for _ in range(8):
            assert web.post("/v1/report", content=b"{}").status_code == 401  # short ones have places of their own
            answer = web.post("/v1/report", content=long)
            assert answer.status_code == 503
            assert answer.json()["wait"] >= 2.0
            assert int(answer.headers["retry-after"]) >= 2
    until(lambda: refused_as_usual(fleet))


def test_thousands_of_half_open_connections_to_nginx_keep_nobody_away(fleet: Composed) -> None:
    program = str(Path(__file__).parents[1] / "half_open.py")
    done = fleet.outside(sys.executable, program, fleet.engine.address["nginx"], "443", stdout=subprocess.PIPE)
    document = json.loads(done.communicate(timeout=120)[0])
    assert set(document["statuses"]) == {200}
    assert max(document["seconds"]) < 2.0
    assert document["closed"] == document["of"], "who began a handshake and went no further is closed"


def test_nobody_believes_an_address_that_a_stranger_writes(fleet: Composed) -> None:
    codes = []
    with fleet.web() as web:
        for number in range(60):
            stranger = f"203.0.113.{number}"
            headers = {"x-forwarded-for": stranger, "x-real-ip": stranger, "forwarded": f"for={stranger}"}
            headers |= {"authorization": f"Bearer ewo.ada.{'x' * 32}"}
            codes.append(web.get("/v1/fleet/devices", headers=headers).status_code)
    assert set(codes) == {401, 429}, "the limit is by operator, whatever address is named"
    message = fleet.engine.log("nginx")
    assert '"GET /v1/fleet/devices" 401' in message
    for text in (message, fleet.engine.log("server-1"), fleet.engine.log("server-2"),
                 fleet.ask("edgewright", "fleet", "audit", "show", "--fleet", "/fleet", "--json")):  # fmt: skip
        assert "203.0.113." not in text


def test_only_nginx_is_reached_from_outside(fleet: Composed) -> None:
    for port in (8798, 9090, 5432):
        line = f"import socket as s, sys\ntry: s.create_connection(({NAME!r}, {port}), 5)\nexcept OSError: sys.exit(7)"
        assert fleet.outside(sys.executable, "-c", line).wait(60) == 7, port
