"""HTTP from a device to its fleet: one address, one persistent connection, limits on time and size."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from edgewright.core.errors import AddressError, InputError, SignatureError
from edgewright.core.files import os_errors
from edgewright.core.records.fleet import Release
from edgewright.device.sinks import require_loopback_or_tls
from edgewright.fleet.protocol.layout import Answer, Refused, Transport, Unreachable
from edgewright.fleet.protocol.plans.decision import day

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
        raise SignatureError(
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
        raise AddressError("an Ed25519 public key, 32 bytes in base64", repr(text[:60]), "key")
    return decoded


PREFIX = "ew1"
_FORM = re.compile(
    r"ew1\.([A-Za-z0-9_-]{16,64})\.([1-9][0-9]{0,8})\.([0-9a-f]{64})\.([a-z0-9][a-z0-9-]{0,62})(?:\.([1-9][0-9]{0,8}))?"
)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an enrolment token.

    Attributes:
        secret: one-time secret; the control plane stores its hash.
        root: version of the pinned root. With `sha256`, the hash of its file, it prevents an attacker on the network
            from replacing the root.
        product: product that the device follows.
        releases: lowest version of the role `releases` that the device accepts, because it contains a signed abort; 0
            for any. Only tokens of a fleet with such an abort contain it, and older devices refuse them.
    """

    secret: str
    root: int
    sha256: str
    product: str
    releases: int = 0

    def text(self) -> str:
        """Return the token as text, as a person types it."""
        floor = f".{self.releases}" if self.releases else ""
        return f"{PREFIX}.{self.secret}.{self.root}.{self.sha256}.{self.product}{floor}"


def read_token(text: str) -> Token:
    """Parse an enrolment token.

    Raises:
        InputError: the text is not a token.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise AddressError(
            "an enrolment token ew1.SECRET.ROOT.HASH.PRODUCT", f"{len(text.strip())} characters of another form",
            "the token", "Make one: edgewright fleet token new",
        )  # fmt: skip
    secret, root, sha256, product, releases = match.groups()
    return Token(secret=secret, root=int(root), sha256=sha256, product=product, releases=int(releases or 0))


class FolderTransport:
    """Implements `fleet.protocol.ports.Transport` on a local folder; read-only.

    Raises:
        InputError: the folder has no `metadata`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        if not (self._folder / "metadata").is_dir():
            raise AddressError("a folder with `metadata` and `targets`", "none", str(folder), "Is the stick mounted?")

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        """Read one file; the status is 404 if it does not exist."""
        parts = PurePosixPath(path).parts[1:]
        file_path = self._folder.joinpath(*parts)
        # Do not follow links that lead out of the stick.
        if (
            method != "GET"
            or ".." in parts
            or not file_path.resolve().is_relative_to(self._folder)
            or not file_path.is_file()
        ):
            yield Answer(status=404, headers={}, body=iter(()))
            return
        start = int(headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        yield Answer(status=206 if "Range" in headers else 200, headers={}, body=_pieces(file_path, start))


def _pieces(path: Path, start: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise Unreachable(f"{path.name}: {error.strerror or error}") from None


_SECONDS = 3600.0
"""Timeout of one answer with bytes of a package; the next one continues after it, also on a slow link."""


class TransportPackages:
    """Downloads packages (`fleet.device.ports.Packages`) from a mirror, and from the next one after a fault.

    Mirrors need no trust: the device checks the signed hash of what it receives. A mirror that broke off but sent
    something stays, so that each download comes from as few as possible. Where several sent parts of wrong bytes, the
    last of them is asked for the whole: alone, each mirror is found out.

    Args:
        transport: the fleet's address, the first mirror.
        mirrors: further ones by name.
        name: name of the first, for people.
    """

    def __init__(
        self, transport: Transport, mirrors: Mapping[str, Transport] | None = None, name: str = "the fleet's address"
    ) -> None:
        self._mirrors = [(name, transport), *(mirrors or {}).items()]
        self._parts: list[str] = []

    def spoilt(self, release: Release) -> str:
        """Record that the bytes of a release were wrong; return the mirrors that sent them."""
        names = " and ".join(self._parts) or self._mirrors[0][0]
        if len(self._parts) < 2:
            self._turn()
        return names

    def _turn(self) -> None:
        self._mirrors.append(self._mirrors.pop(0))

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """Yield the bytes of a target from `offset` to its end."""
        if offset >= length:
            return
        name, transport = self._mirrors[0]
        self._parts = self._parts if offset else []
        sent = False
        try:
            for piece in _target(transport, path, offset, length):
                if not sent:
                    self._parts, sent = [*(mirror for mirror in self._parts if mirror != name), name], True
                yield piece
        except Unreachable as error:
            if not sent:
                self._turn()
            raise Unreachable(f"{name}: {error}", error.wait) from None
        except Refused as error:
            self._turn()
            raise Refused(f"{name}: {error}", error.kind) from None


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait; None where it gives none."""
    after = answer.headers.get("retry-after", "")
    return float(after) if after.isdecimal() and len(after) < 8 else None


def _target(transport: Transport, path: str, offset: int, length: int) -> Iterator[bytes]:
    """Yield the bytes of a target, after a check of what the server says about them: it may be another page."""
    with transport.exchange("GET", path, {"Range": f"bytes={offset}-"} if offset else {}, seconds=_SECONDS) as answer:
        if answer.status not in (200, 206):
            raise Unreachable(f"{path}: status {answer.status}", retry_after(answer))
        # A server without range support sends the whole target.
        begun = offset if answer.status == 206 else 0
        announced = answer.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) != length - begun:
            raise Refused(f"{path}: {int(announced[:20]):,} bytes instead of {length - begun:,}", "length")
        passed, given = offset - begun, offset
        for part in answer.body:
            piece, passed = part[passed:], max(0, passed - len(part))
            given += len(piece)
            if given > length:
                raise Refused(f"{path}: more than {length:,} bytes", "length")
            if piece:
                yield piece
        if given < length:
            whole = answer.headers.get("transfer-encoding", "") == "chunked"  # nothing is missing of this answer
            text = f"{path}: received {given:,} of {length:,} bytes"
            raise Refused(text, "length") if whole else Unreachable(text)


_PIECE = 1 << 16
_STALL = 15.0  # seconds without a byte
_OF_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL's x509_vfy.h
_DRAIN = 1 << 16  # up to this many unread bytes of a body are read to keep the connection


class HttpTransport:
    """Implements `fleet.protocol.ports.Transport` over HTTP. Not thread-safe.

    Args:
        url: https, or http to this machine; its path is prefixed to every request path.
        ca_file: trusted certificates instead of the system's; empty for the system's.
        alive: called with every request and piece of an answer, for a watchdog: a slow network is no hang.

    Raises:
        InputError: the address is invalid, lacks TLS and is not on this machine, or the certificates are unreadable.
    """

    def __init__(self, url: str, ca_file: str = "", alive: Callable[[], None] = lambda: None) -> None:
        self._alive = alive
        parts = checked_address(url, "--fleet")
        self._tls = parts.scheme == "https"
        self._host, self._port, self._prefix = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._context: ssl.SSLContext | None = None
        if self._tls:
            with os_errors(InputError, "certificates in PEM", ca_file):
                self._context = ssl.create_default_context(cafile=ca_file or None)
        self._connection: http.client.HTTPConnection | None = None

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        """Send one request, see `fleet.protocol.ports.Transport.exchange`; a redirect is returned, not followed."""
        until = time.monotonic() + seconds
        sent = {"User-Agent": "edgewright", "Accept-Encoding": "identity", **headers}
        response = self._ask(method, self._prefix + path, sent, body, until)
        kept = False
        try:
            received = {name.lower(): value for name, value in response.getheaders()}
            if received.get("content-encoding", "identity") != "identity":
                raise Unreachable(f"{path}: an answer in {received['content-encoding'][:20]}, which was not asked for")
            yield Answer(status=response.status, headers=received, body=self._pieces(response, until, path))
            kept = self._drained(response, until)
        finally:
            if not kept:
                self.close()

    def close(self) -> None:
        """Close the connection; the next exchange opens a new one."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, until: float
    ) -> http.client.HTTPResponse:
        """Send a request; reconnect once if the server has closed the persistent connection."""
        for fresh in (self._connection is None, True):
            self._alive()
            try:
                connection = self._open(until)
                connection.request(method, path, body or None, dict(headers))
                return connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if fresh or isinstance(error, TimeoutError):
                    raise Unreachable(f"{self._host}: {_words(error)}") from None
        raise Unreachable(f"{self._host}: no connection")

    def _open(self, until: float) -> http.client.HTTPConnection:
        wait = min(_STALL, until - time.monotonic())
        if wait <= 0.0:
            raise TimeoutError
        if self._connection is None:
            if self._context is not None:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=wait, context=self._context
                )  # fmt: skip
            else:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=wait)
            self._connection.connect()
        self._connection.sock.settimeout(wait)
        return self._connection

    def _pieces(self, response: http.client.HTTPResponse, until: float, path: str) -> Iterator[bytes]:
        """Yield the body as it arrives; the time limit covers all pieces together."""
        while True:
            self._alive()
            wait = min(_STALL, until - time.monotonic())
            if wait <= 0.0:
                raise Unreachable(f"{path}: too slow")
            try:
                if self._connection is not None and self._connection.sock is not None:
                    self._connection.sock.settimeout(wait)
                piece = response.read1(_PIECE)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Unreachable(f"{path}: {_words(error)}") from None
            if not piece:
                if response.length:
                    raise Unreachable(f"{path}: broken off, {response.length:,} bytes missing")
                # http.client does not close a response whose last byte was read in pieces.
                response.close()
                return
            yield piece

    def _drained(self, response: http.client.HTTPResponse, until: float) -> bool:
        """Read a short rest of the body and return whether the connection can be kept."""
        if response.will_close:
            return False
        if not response.isclosed() and (response.length is None or response.length > _DRAIN):
            return False
        if not response.isclosed():
            for _ in self._pieces(response, until, "the rest"):
                pass
        return True


def checked_address(url: str, where: str) -> urllib.parse.SplitResult:
    """Check the address of a fleet and return its parts.

    Raises:
        InputError: the address is invalid, or it lacks TLS and is not on this machine.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username:
        raise AddressError("an address https://HOST[:PORT][/PATH]", repr(url), where)
    require_loopback_or_tls(parts.hostname or "", parts.scheme == "https", where)
    return parts


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.IncompleteRead):
        return f"broken off after {len(error.partial)} bytes"
    if isinstance(error, ssl.SSLCertVerificationError):
        by = f" by this device's clock, {day(time.time())}: is it right?" if error.verify_code in _OF_TIME else ""
        return f"certificate refused: {error.verify_message}{by}"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
