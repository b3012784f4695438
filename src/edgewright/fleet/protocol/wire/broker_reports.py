"""A report that goes through a broker, and its answer: believed by what signed them, whichever way they came.

A report is a line of JSON, `ReportHead`, and the body behind it. The device signs it as a request over HTTP, but
for the path `PATH`: what a broker has read or held back is no request to any other. An answer is a line with an Ed25519
signature, a line of JSON, `Answered`, and the content. Signed are the device's id, the line and the content; the line
names the very message that is answered, in which `ask` is random, so no answer fits a second one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgewright.fleet.protocol.ports import Answer

PATH = "/v1/bulk"
ANSWERS = "edgewright-answers"
"""Header of HTTP: asked with `ASKED`, answered with the public key of answers in base64."""
ASKED = "?"
LARGEST = 512 << 10
"""Bytes of a report that goes through a broker; a larger one goes over HTTPS."""
ROOM = 16 << 10
"""Bytes that a message has beside the report at most."""
_CONTEXT = b"edgewright answer 1\n"
_TOLD = frozenset({"content-type", "content-digest", "signature", "signature-input"})
_ANSWERED = frozenset({"content-type", "retry-after"})
_Header = Annotated[str, msgspec.Meta(max_length=1000)]


class ReportHead(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a report.

    Attributes:
        ask: random, so that each try is a message of its own.
        headers: names in lower case; those of a signed request and no others.
    """

    format: int = 1
    ask: Annotated[str, msgspec.Meta(min_length=16, max_length=64)]
    headers: dict[str, _Header]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an answer; `message`: SHA-256 of the whole message that is answered, hexadecimal."""

    format: int = 1
    message: str
    status: int
    headers: dict[str, _Header]


def write_report(headers: Mapping[str, str], body: bytes, ask: str) -> bytes:
    """The message of a signed report."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in _TOLD}
    return msgspec.json.encode(ReportHead(ask=ask, headers=kept)) + b"\n" + body


def read_report(message: bytes) -> tuple[dict[str, str], bytes] | None:
    """Headers and body of a report; None for what is none."""
    head, found, body = message.partition(b"\n")
    if not found or len(head) > ROOM:
        return None
    try:
        asked = msgspec.json.decode(head, type=ReportHead)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if asked.format != 1:
        return None
    return {name: value for name, value in asked.headers.items() if name in _TOLD}, body


def write_answer(
    key: Ed25519PrivateKey, device: str, message: bytes, status: int, headers: Mapping[str, str], content: bytes
) -> bytes:
    """The message that answers one of a device.

    Args:
        key: of answers.
        device: id.
        message: as it came.
        status, headers, content: as HTTP would have them.
    """
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in _ANSWERED}
    head = msgspec.json.encode(Answered(message=hashlib.sha256(message).hexdigest(), status=status, headers=kept))
    said = head + b"\n" + content
    return base64.b64encode(key.sign(_signed(device, said))) + b"\n" + said


def read_answer(answer: bytes, key: bytes, device: str, message: bytes) -> Answer | None:
    """An answer that is authentic and answers this very message; None for every other.

    Args:
        answer: as it came.
        key: public, of answers, 32 bytes.
        device: id.
        message: as it was sent.
    """
    signature, _, said = answer.partition(b"\n")
    head, _, content = said.partition(b"\n")
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(key).verify(raw, _signed(device, said))
        told = msgspec.json.decode(head, type=Answered)
    except (InvalidSignature, ValueError, msgspec.DecodeError, RecursionError):
        return None
    if told.format != 1 or base64.b64encode(raw) != signature or told.message != hashlib.sha256(message).hexdigest():
        return None
    return Answer(status=told.status, headers=told.headers, body=iter((content,)))


def _signed(device: str, said: bytes) -> bytes:
    return _CONTEXT + device.encode() + b"\n" + said
