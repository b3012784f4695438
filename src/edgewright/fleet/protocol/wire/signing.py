"""Signs requests of devices with the device's own key: HTTP message signatures (RFC 9421) with Ed25519.

A signature covers the method, the path and the digest of the body (RFC 9530), with a tag of this project. The server
ignores its creation time because device clocks can be wrong by years; a nonce in the body prevents replays.
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
# RFC 9421 takes the path from an absolute URL. The signature does not cover the host, since proxies change it.
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
        """Return the public key with this name."""
        public = self._public(key_id) if self._public else None
        if public is None:
            raise KeyError(key_id)
        return Ed25519PublicKey.from_public_bytes(public)


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = _CLOCKS


def sign(method: str, path: str, body: bytes, key: Ed25519PrivateKey, name: str) -> dict[str, str]:
    """Sign a request and return the signature headers.

    Args:
        method: such as 'POST'.
        path: path with its leading '/', without a query.
        body: body of the request.
        key: private key of the device.
        name: key id for the receiver: the device's id, or 'new' if the body contains the public key.
    """
    message = _Message(method, _HOST + path)
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(private=key))
    signer.sign(
        message, key_id=name, created=datetime.fromtimestamp(0, UTC), label=LABEL, tag=TAG, include_alg=True,
        covered_component_ids=COVERED, body=body,
    )  # fmt: skip
    return message.headers


def verify(method: str, path: str, headers: Mapping[str, str], body: bytes, find: Callable[[str], bytes | None]) -> str:
    """Verify a signed request and return the name of its key.

    Args:
        method: method of the request.
        path: path of the request.
        body: body of the request.
        headers: headers of the request.
        find: returns the 32 bytes of the public key for a name; None for an unknown name.

    Raises:
        InputError: the signature is missing, from another key, over other bytes, or under an unknown name.
    """
    wanted = {"signature", "signature-input", "content-digest"}
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in wanted}
    verifier = _Verifier(signature_algorithm=algorithms.ED25519, key_resolver=_Keys(public=find))
    try:
        verified = verifier.verify(
            _Message(method, _HOST + path, kept), max_age=None, expect_tag=TAG, require_components=COVERED, body=body
        )  # fmt: skip
    except (InvalidSignature, HTTPMessageSignaturesException, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "a request signed by the device's key (RFC 9421)", str(error) or type(error).__name__, path
        ) from None
    return str(verified[0].parameters["keyid"])


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public key as in an enrolment request: its 32 bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def public_bytes(text: str) -> bytes:
    """Decode a public key from base64 into its 32 bytes.

    Raises:
        InputError: the text is not a public key.
    """
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        decoded = b""
    if len(decoded) != 32:
        raise InputError("an Ed25519 public key, 32 bytes in base64", repr(text[:60]), "key")
    return decoded
