"""Requests of devices: signed, and safe from whoever answers too much, too slowly or not at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.core.errors import AddressError, SignatureError, SinkSettingsError
from edgewright.fleet.protocol.layout import Unreachable
from edgewright.fleet.protocol.transport import (
    FolderTransport,
    HttpTransport,
    public_bytes,
    public_text,
    sign,
    verify,
)

KEY = Ed25519PrivateKey.generate()
BODY = b'{"sequence": 1}'
Talk = Callable[[socket.socket, int], None]
Serve = Callable[[Talk], "Server"]
Reach = Callable[[str], HttpTransport]


class Server:
    """Answers each connection with what a test says; counts connections."""

    def __init__(self, talk: Talk) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.talk, self.connections, self.requests = talk, 0, list[bytes]()
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plug, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with plug:
                try:
                    while request := plug.recv(65536):
                        self.requests.append(request)
                        self.talk(plug, self.connections)
                except OSError:
                    pass


@pytest.fixture
def reach() -> Iterator[Callable[[str], HttpTransport]]:
    transports: list[HttpTransport] = []

    def start(url: str) -> HttpTransport:
        transports.append(HttpTransport(url))
        return transports[-1]

    yield start
    for transport in transports:
        transport.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], Server]]:
    servers: list[Server] = []

    def start(talk: Talk) -> Server:
        servers.append(Server(talk))
        return servers[-1]

    yield start
    for server in servers:
        server.socket.close()


def answer(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
    return head.encode() + b"\r\n\r\n" + body


def get(transport: HttpTransport, path: str = "/x", seconds: float = 5.0, limit: int = 1 << 16) -> tuple[int, bytes]:
    with transport.exchange("GET", path, {"If-None-Match": '"1"'}, seconds=seconds) as answer:
        return answer.status, answer.whole(limit)


def test_a_signature_names_its_key_and_covers_method_path_and_body() -> None:
    headers = sign("POST", "/v1/report", BODY, KEY, "ab" * 16)
    keys = {"ab" * 16: public_bytes(public_text(KEY))}
    assert verify("POST", "/v1/report", headers, BODY, keys.get) == "ab" * 16
    lower = {name.lower(): value for name, value in headers.items()} | {"host": "renamed.example"}
    assert verify("POST", "/v1/report", lower, BODY, keys.get) == "ab" * 16
    for method, path, body in (
        ("PUT", "/v1/report", BODY),
        ("POST", "/v1/intent", BODY),
        ("POST", "/v1/report", b"{}"),
    ):
        with pytest.raises(SignatureError):
            verify(method, path, headers, body, keys.get)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda h: h.pop("Signature"),
        lambda h: h.pop("Content-Digest"),
        lambda h: h.update({"Signature-Input": h["Signature-Input"].replace(' "content-digest"', "")}),
        lambda h: h.update({"Signature-Input": h["Signature-Input"].replace("edgewright-device", "another")}),
        lambda h: h.update({"Signature-Input": h["Signature-Input"].replace("abab", "cdcd", 1)}),
        lambda h: h.update({"Signature": "device=:AAAA:"}),
        lambda h: h.update({"Signature": "((("}),
        lambda h: h.update({"Content-Digest": "sha-256=:AAAA:"}),
    ],
)
def test_a_spoiled_signature_is_refused(spoil: Callable[[dict[str, str]], object]) -> None:
    headers = sign("POST", "/v1/report", BODY, KEY, "ab" * 16)
    spoil(headers)
    with pytest.raises(SignatureError):
        verify("POST", "/v1/report", headers, BODY, {"ab" * 16: KEY.public_key().public_bytes_raw()}.get)


def test_another_device_cannot_sign_for_this_one() -> None:
    headers = sign("POST", "/v1/report", BODY, Ed25519PrivateKey.generate(), "ab" * 16)
    with pytest.raises(SignatureError):
        verify("POST", "/v1/report", headers, BODY, {"ab" * 16: KEY.public_key().public_bytes_raw()}.get)


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "A" * 44])
def test_a_key_is_32_bytes(text: str) -> None:
    with pytest.raises(AddressError):
        public_bytes(text)


def test_one_connection_serves_many_exchanges(serve: Serve, reach: Reach) -> None:
    server = serve(lambda plug, _: plug.sendall(answer(b"hello", 'ETag: "1"')))
    transport = reach(server.url + "/fleet/")
    for _ in range(3):
        assert get(transport, "/x") == (200, b"hello")
    assert server.connections == 1
    assert server.requests[0].startswith(b"GET /fleet/x HTTP/1.1")


def test_a_connection_that_was_closed_meanwhile_is_made_again(serve: Serve, reach: Reach) -> None:
    def once(plug: socket.socket, _: int) -> None:
        plug.sendall(answer(b"hello"))
        plug.shutdown(socket.SHUT_RDWR)

    server = serve(once)
    transport = reach(server.url)
    assert get(transport) == get(transport) == (200, b"hello")
    assert server.connections == 2


def test_not_modified_has_no_body(serve: Serve, reach: Reach) -> None:
    server = serve(lambda plug, _: plug.sendall(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'))
    transport = reach(server.url)
    assert get(transport) == get(transport) == (304, b"")
    assert server.connections == 1


def test_a_redirect_is_not_followed(serve: Serve, reach: Reach) -> None:
    server = serve(lambda plug, _: plug.sendall(answer(b"", "Location: http://127.0.0.1:1/", status="302 Found")))
    assert get(reach(server.url))[0] == 302


def test_an_endless_answer_is_cut_off(serve: Serve, reach: Reach) -> None:
    def endless(plug: socket.socket, _: int) -> None:
        plug.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            plug.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    with pytest.raises(Unreachable, match="larger than"):
        get(reach(serve(endless).url), limit=100_000)


def test_drops_of_an_answer_do_not_stretch_the_time(serve: Serve, reach: Reach) -> None:
    def drops(plug: socket.socket, _: int) -> None:
        plug.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            plug.sendall(b"x")
            time.sleep(0.02)

    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"slow|in time"):
        get(reach(serve(drops).url), seconds=0.5)
    # All drops take 20 seconds.
    assert time.monotonic() - began < 15.0


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "broken off"),
        (b"this is not HTTP\r\n\r\n", "this is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "gzip"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500 + b"\r\n", "headers"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", "header line"),
        (b"", "closed|without response|reset"),
    ],
)
def test_what_is_no_answer_is_told(serve: Serve, reach: Reach, reply: bytes, message: str) -> None:
    def talk(plug: socket.socket, _: int) -> None:
        plug.sendall(reply)
        plug.shutdown(socket.SHUT_RDWR)

    with pytest.raises(Unreachable, match=message):
        get(reach(serve(talk).url))


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        get(HttpTransport(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "https://a:99999", "http://127.0.0.1/?q=1", "https://u:p@x/"]
)
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(AddressError):
        HttpTransport(url)


def test_off_this_machine_tls_is_asked_for() -> None:
    with pytest.raises(SinkSettingsError):
        HttpTransport("http://fleet.example")


def test_a_folder_serves_its_own_files_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("no")
    stick = tmp_path / "stick"
    (stick / "metadata").mkdir(parents=True)
    (stick / "metadata" / "timestamp.json").write_bytes(b"0123456789")
    (stick / "metadata" / "link.json").symlink_to(tmp_path / "secret")
    transport = FolderTransport(stick)
    for path, status, body in (
        ("/metadata/timestamp.json", 200, b"0123456789"), ("/metadata/none.json", 404, b""),
        ("/metadata/../../secret", 404, b""), ("/metadata/link.json", 404, b""), ("/metadata", 404, b""),
    ):  # fmt: skip
        with transport.exchange("GET", path, {}) as answer:
            assert (answer.status, answer.whole(100)) == (status, body)
    with transport.exchange("GET", "/metadata/timestamp.json", {"Range": "bytes=4-"}) as answer:
        assert (answer.status, answer.whole(100)) == (206, b"456789")
    with pytest.raises(AddressError):
        FolderTransport(tmp_path / "none")
