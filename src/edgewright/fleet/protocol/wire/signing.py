"""Requests of devices, signed by the device's own key: HTTP message signatures (RFC 9421) over Ed25519.

Covered are method, path and the digest of the body (RFC 9530), under a tag of ours. When a signature was made is not
asked: clocks of devices are wrong by years. What was sent once is told from a replay by the nonce inside the body.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from edgewright.schema.errors import InputError

TAG = "edgewright-device"
LABEL = "device"
COVERED = ("@method", "@path", "content-digest")
# RFC 9421 wants an absolute address to take the path from; which host was meant is not covered, proxies rename it.
_HOST = "https://fleet.invalid"
_CLOCKS = timedelta(days=200_000)


@dataclass
class _Message:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


class _Keys(HTTPSignatureKeyResolver):
    def __init__(
        self, private: Ed25519PrivateKey | None = None, public: Callable[[str], bytes | None] | None = None
    ) -> None:
        self._private, self._public = private, public

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        """Return the key that signs."""
        if self._private is None:
            raise KeyError(key_id)
        return self._private

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        """Return the key that is known under this name."""
        found = self._public(key_id) if self._public else None
        if found is None:
            raise KeyError(key_id)
        return Ed25519PublicKey.from_public_bytes(found)


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = _CLOCKS


def sign(method: str, path: str, body: bytes, key: Ed25519PrivateKey, name: str) -> dict[str, str]:
    """Return headers that sign a request.

    Args:
        method: such as 'POST'.
        path: with its leading '/', without a query.
        body: of the request.
        key: of the device.
        name: under which the receiver knows the key: the device's id, or 'new' where it names its key in the body.
    """
    message = _Message(method, _HOST + path)
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(private=key))
    signer.sign(
        message, key_id=name, created=datetime.fromtimestamp(0, UTC), label=LABEL, tag=TAG, include_alg=True,
        covered_component_ids=COVERED, body=body,
    )  # fmt: skip
    return message.headers


def verify(method: str, path: str, headers: Mapping[str, str], body: bytes, find: Callable[[str], bytes | None]) -> str:
    """Return the name of the key that signed a request.

    Args:
        method: of the request.
        path: of the request.
        body: of the request.
        headers: of the request.
        find: name -> 32 bytes of the public key, None where nobody has that name.

    Raises:
        InputError: not signed, signed by another key, over other bytes, or under a name that nobody has.
    """
    wanted = {"signature", "signature-input", "content-digest"}
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in wanted}
    verifier = _Verifier(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(public=find))
    try:
        found = verifier.verify(
            _Message(method, _HOST + path, kept), max_age=None, expect_tag=TAG, require_components=COVERED, body=body
        )  # fmt: skip
    except (InvalidSignature, HTTPMessageSignaturesException, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "a request signed by the device's key (RFC 9421)", str(error) or type(error).__name__, path
        ) from None
    return str(found[0].parameters["keyid"])


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public key as it is written in an enrolment: base64 of its 32 bytes."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def public_bytes(text: str) -> bytes:
    """Return its 32 bytes.

    Raises:
        InputError: no such text.
    """
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise InputError("an Ed25519 public key, 32 bytes in base64", repr(text[:60]), "key")
    return found
