"""Downloads over mirrors that send wrong bytes, too few, another page or nothing: none of it is a verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from benchmarks.faults.fleet_device import Device, content, plan

from edgewright.fleet.protocol.transport import HttpTransport, TransportPackages

DATA = content(1)
PORTAL = b"<html>Accept the terms of this network</html>"
Answers = Callable[[BaseHTTPRequestHandler], None]


def whole(answer: BaseHTTPRequestHandler) -> None:
    _send(answer, DATA)


def flipped(answer: BaseHTTPRequestHandler) -> None:
    _send(answer, DATA[:100] + bytes([DATA[100] ^ 1]) + DATA[101:])


def truncated(answer: BaseHTTPRequestHandler) -> None:
    _send(answer, DATA[:1000], len(DATA))


def shorter(answer: BaseHTTPRequestHandler) -> None:
    _send(answer, DATA[:1000])


def longer(answer: BaseHTTPRequestHandler) -> None:
    _send(answer, DATA + b"more")


def portal(answer: BaseHTTPRequestHandler) -> None:
    _send(answer, PORTAL)


def portal_in_chunks(answer: BaseHTTPRequestHandler) -> None:
    answer.send_response(200)
    answer.send_header("Transfer-Encoding", "chunked")
    answer.end_headers()
    answer.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(PORTAL), PORTAL))


def portal_until_close(answer: BaseHTTPRequestHandler) -> None:
    answer.send_response(200)
    answer.send_header("Connection", "close")
    answer.end_headers()
    answer.wfile.write(PORTAL)


def absent(answer: BaseHTTPRequestHandler) -> None:
    answer.send_error(404)


def redirected(answer: BaseHTTPRequestHandler) -> None:
    answer.send_response(302)
    answer.send_header("Location", "http://portal.invalid/")
    answer.send_header("Content-Length", "0")
    answer.end_headers()


FAULTS = (
    flipped, truncated, shorter, longer, portal, portal_in_chunks, portal_until_close, absent, redirected,
)  # fmt: skip


def _send(answer: BaseHTTPRequestHandler, data: bytes, length: int | None = None) -> None:
    answer.send_response(200)
    answer.send_header("Content-Length", str(len(data) if length is None else length))
    answer.end_headers()
    answer.wfile.write(data)
    if length is not None:
        answer.close_connection = True


@contextmanager
def mirror(answers: Answers) -> Iterator[str]:
    """Serve one answer to every request; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answers(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def downloading(device: Device, *mirrors: Answers) -> Iterator[None]:
    """Let a device read packages from mirrors, the first of which is its fleet's address."""
    with ExitStack() as stack:
        urls = [stack.enter_context(mirror(one)) for one in mirrors]
        transports = {url: HttpTransport(url) for url in urls}
        for transport in transports.values():
            stack.callback(transport.close)
        first = transports.pop(urls[0])
        packages = TransportPackages(first, transports, urls[0])
        device.fleet.read = lambda path, offset, length: packages.read(f"/{path}", offset, length)  # type: ignore[method-assign]
        device.fleet.spoilt = packages.spoilt  # type: ignore[method-assign]
        yield


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "store")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_mirror_is_no_verdict_and_another_mirror_brings_the_release(
    device: Device, fault: Answers
) -> None:
    with downloading(device, fault, whole):
        device.follow(plan(1), 300.0)
    assert [action for action, _, _ in device.told()] == ["tested", "activated", "confirmed"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_device_behind_a_bad_mirror_alone_reports_it_and_takes_the_release_when_it_is_well(
    device: Device, fault: Answers
) -> None:
    broken = [True]

    def heals(answer: BaseHTTPRequestHandler) -> None:
        (fault if broken[0] else whole)(answer)

    with downloading(device, heals):
        device.follow(plan(1), 120.0)
        assert device.told() == []
        facts = device.agent.facts()
        assert facts.phase == "download"
        assert facts.transport_faults >= 3
        assert "http://127.0.0.1:" in facts.transport_fault
        assert facts.why
        broken[0] = False
        device.run(600.0)
    assert device.active() == 1


def test_a_mirror_whose_tls_fails_gives_way_to_another(device: Device) -> None:
    with mirror(whole) as plain, closing(HttpTransport(plain)) as good:
        packages = TransportPackages(HttpTransport(plain.replace("http:", "https:")), {plain: good})
        device.fleet.read = lambda path, offset, length: packages.read(f"/{path}", offset, length)  # type: ignore[method-assign]
        device.follow(plan(1), 300.0)
    assert [action for action, _, _ in device.told()] == ["tested", "activated", "confirmed"]


def test_bytes_of_two_mirrors_are_not_mixed_for_good(device: Device) -> None:
    """The first sends a part with a wrong byte and breaks off, the second sends the rest: the next try starts anew."""

    def bad_part(answer: BaseHTTPRequestHandler) -> None:
        _send(answer, b"?" + DATA[1:2000], len(DATA))

    with downloading(device, bad_part, whole):
        device.follow(plan(1), 300.0)
    assert device.active() == 1


def test_a_mirror_that_breaks_off_is_not_mixed_with_one_of_wrong_bytes_for_ever(device: Device) -> None:
    def in_parts(answer: BaseHTTPRequestHandler) -> None:
        start = int(answer.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        answer.send_response(206 if start else 200)
        answer.send_header("Content-Length", str(len(DATA) - start))
        answer.end_headers()
        answer.wfile.write(DATA[start : start + 1500])
        answer.close_connection = True

    with downloading(device, flipped, in_parts):
        device.follow(plan(1), 600.0)
    assert device.active() == 1
