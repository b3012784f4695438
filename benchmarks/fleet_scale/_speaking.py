"""Devices that cost little: signed reports and polls over a few kept connections, in a process of its own.

Keys are made beforehand and a request is put together by hand; the start checks that it is signed as
`transport` signs. Every connection takes the device that has waited longest, sends its next report with the nonce
of its last acknowledgement, and waits for the answer: reports of one device go to whichever server is asked.

A line of JSON on standard input is a stretch, `{"ports": [...], "seconds": 5, "what": "report"}`; the answer is one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.core.records.fleet import Acknowledged, Report, Vitals
from edgewright.fleet.protocol.transport import sign

CONNECTIONS = 64
"""To each server."""
_PATH = "/v1/report"
_PARAMETERS = '("@method" "@path" "content-digest");created=0;keyid="{}";alg="ed25519";tag="edgewright-device"'
_VITALS = Vitals(
    seconds=60.0, windows=60, latency=(0.004, 0.009), memory=40_000_000, channels=6, classes={"ok": 58, "worn": 2}
)
_METADATA = {"root": 1, "timestamp": 9, "snapshot": 9, "targets": 2, "releases": 4, "rollouts": 9}


def keys(seed: int, count: int) -> list[Ed25519PrivateKey]:
    """Return the same for the same seed: whoever fills the database and whoever signs need not exchange them."""
    return [
        Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest())
        for number in range(count)
    ]


@dataclass
class Speaker:
    """A device: its key, and what the next report must say."""

    name: str
    key: Ed25519PrivateKey
    nonce: str = ""
    sequence: int = 0

    def report(self) -> bytes:
        """Return the next request, whole."""
        return self.signed(msgspec.json.encode(report_of(self.nonce, self.sequence)))

    def signed(self, body: bytes) -> bytes:
        """Return the request with this body."""
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        parameters = _PARAMETERS.format(self.name)
        base = f'"@method": POST\n"@path": {_PATH}\n"content-digest": {digest}\n"@signature-params": {parameters}'
        signature = base64.b64encode(self.key.sign(base.encode())).decode()
        head = (
            f"POST {_PATH} HTTP/1.1\r\nHost: fleet\r\nUser-Agent: edgewright\r\nContent-Type: application/json\r\n"
            f"Content-Digest: {digest}\r\nSignature-Input: device={parameters}\r\nSignature: device=:{signature}:\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def report_of(nonce: str, sequence: int) -> Report:
    """Return what a device to which nothing happens reports."""
    return Report(
        nonce=nonce, sequence=sequence, counter=3, floor=3, phase="idle", plan="pump-3", stage=2, metadata=_METADATA,
        clock=1_800_000_000.25, vitals=_VITALS, why="runs release 3", profile="raspberry-pi-4", version="0.1.0",
    )  # fmt: skip


@dataclass
class _Line:
    socket: socket.socket
    speaker: Speaker | None = None
    began: float = 0.0
    received: bytes = b""
    tag: str = ""


@dataclass
class _SpeakReport:
    latencies: list[float] = field(default_factory=list)
    wrong: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    received: int = 0

    def count(self, reason: str) -> None:
        self.wrong[reason] = self.wrong.get(reason, 0) + 1


def main() -> None:
    """Speaks until its input ends."""
    speakers = deque(
        Speaker(f"{number:032x}", key) for number, key in enumerate(keys(int(sys.argv[1]), int(sys.argv[2])))
    )
    _check(speakers[0])
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_stretch(speakers, **json.loads(line))), flush=True)


def _check(speaker: Speaker) -> None:
    head, _, body = speaker.report().partition(b"\r\n\r\n")
    mine = {
        line.partition(b": ")[0].decode().lower(): line.partition(b": ")[2].decode() for line in head.split(b"\r\n")
    }
    for name, value in sign("POST", _PATH, body, speaker.key, speaker.name).items():
        if mine[name.lower()] != value:
            raise SystemExit(f"signed otherwise than transport does: {name}: {value}, here {mine[name.lower()]}")


def _stretch(speakers: deque[Speaker], ports: list[int], seconds: float, kind: str, each: int = 0) -> dict[str, Any]:
    """Ask for so long, or, with `each`, until so many were sent; then what came of it."""
    lines: dict[int, _Line] = {}
    waiting = select.epoll()
    for number in range(CONNECTIONS * len(ports)):
        connection = socket.create_connection(("127.0.0.1", ports[number % len(ports)]), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines[connection.fileno()] = _Line(connection)
        waiting.register(connection.fileno(), select.EPOLLIN)
    report, began, used = _SpeakReport(), time.perf_counter(), time.process_time()
    until, requested = began + seconds, 0
    for line in lines.values():
        requested += _ask(line, speakers, report, kind)
    open_ones = len(lines)
    while open_ones:
        if time.perf_counter() > until + 60.0:
            report.count("no answer within 60 s")
            break
        for number, _ in waiting.poll(1.0):
            line = lines[number]
            if not _has_answered(line, speakers, report, kind):
                continue
            over = requested >= each if each else time.perf_counter() >= until
            open_ones -= over
            if not over:
                requested += _ask(line, speakers, report, kind)
    took = time.perf_counter() - began
    for line in lines.values():
        line.socket.close()
    late = sorted(report.latencies)
    return {
        "done": len(late), "seconds": took, "cpu": time.process_time() - used, "wrong": report.wrong,
        "p50": late[len(late) // 2] if late else 0.0, "p99": late[int(len(late) * 0.99)] if late else 0.0,
        "sent": report.sent, "received": report.received,
    }  # fmt: skip


def _ask(line: _Line, speakers: deque[Speaker], report: _SpeakReport, kind: str) -> int:
    if kind == "report":
        line.speaker = speakers.popleft()
        request = line.speaker.report()
    else:
        tag = f"If-None-Match: {line.tag}\r\n" if line.tag else ""
        request = (
            f"GET /metadata/timestamp.json HTTP/1.1\r\nHost: fleet\r\nUser-Agent: edgewright\r\n{tag}\r\n".encode()
        )
    line.began = time.perf_counter()
    line.socket.sendall(request)
    report.sent += len(request)
    return 1


def _has_answered(line: _Line, speakers: deque[Speaker], report: _SpeakReport, kind: str) -> bool:
    """Return whether the whole answer is there."""
    part = line.socket.recv(65_536)
    if not part:
        raise SystemExit("the server closed a connection")
    line.received += part
    head, separator, body = line.received.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = next((int(one[15:]) for one in head.lower().split(b"\r\n") if one.startswith(b"content-length:")), 0)
    if len(body) < length:
        return False
    report.received += len(line.received)
    status, line.received = int(head[9:12]), b""
    if status not in (200, 304):
        report.count(f"{status} {body[:200]!r}")
    else:
        report.latencies.append(time.perf_counter() - line.began)
    if kind == "report":
        assert line.speaker is not None  # noqa: S101
        if status == 200:
            line.speaker.nonce = msgspec.json.decode(body, type=Acknowledged).nonce
            line.speaker.sequence += 1
        speakers.append(line.speaker)
    elif status == 200:
        line.tag = next(one[6:].decode() for one in head.split(b"\r\n") if one.lower().startswith(b"etag: "))
    return True


if __name__ == "__main__":
    main()
