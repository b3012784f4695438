"""What a phone reaches this machine by: an address on the local network, and a certificate of one's own."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from starlette.types import ASGIApp, Scope, Send

from edgewright.core.errors import AddressError, CertificateError
from edgewright.core.files import private_folder, write_atomic
from edgewright.core.request_origin import cookie_value, values_of
from edgewright.studio import local_server
from edgewright.studio.local_server import LARGEST_BODY

# Of the block for documentation (RFC 5737): choosing a route to it sends nothing.
_ELSEWHERE = ("192.0.2.1", 9)


def local_addresses() -> list[str]:
    """Return this machine's IPv4 addresses on local networks, that of the default route first."""
    addresses: list[str] = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_ELSEWHERE)
        addresses.append(str(probe.getsockname()[0]))
    with contextlib.suppress(OSError):
        addresses += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return [address for address in dict.fromkeys(addresses) if _reached(address)]


def phone_address(wanted: str) -> str:
    """Return the address that a phone reaches: the wanted one, else that of the local network.

    Raises:
        InputError: there is none, or the wanted one is not an address of this machine.
    """
    if not wanted:
        addresses = local_addresses()
        if not addresses:
            do = "Connect this machine to the phone's network, or name an address with --phone-address"
            raise AddressError("an address on a local network", "none on this machine", "--phone", do)
        return addresses[0]
    do = f"Addresses here: {', '.join(local_addresses()) or 'none'}"
    try:
        address = ip_address(wanted)
    except ValueError:
        raise AddressError("an IPv4 address of this machine", repr(wanted), "--phone-address", do) from None
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            if address.version != 4 or address.is_unspecified or address.is_reserved or address.is_multicast:
                raise OSError
            probe.bind((wanted, 0))
        except OSError:
            raise AddressError("an IPv4 address of this machine", wanted, "--phone-address", do) from None
    return wanted


def _reached(address: str) -> bool:
    parsed = ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


# The longest that browsers of phones accept is 825 days; an address seldom stays that long.
_DAYS = 365
_LEFT = timedelta(days=7)


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate and its key, and the fingerprint that a browser shows of it."""

    certificate: Path
    key: Path
    fingerprint: str


def config_folder() -> Path:
    """Return `$XDG_CONFIG_HOME/edgewright/phone`, `~/.config` where that is not set."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "edgewright" / "phone"


def own_certificate(addresses: Sequence[str], folder: Path | None = None) -> Certificate:
    """Return the certificate of this machine, made anew where it names other addresses or ends soon.

    Args:
        addresses: of this machine, which it names.
        folder: that keeps it with mode 700, its key with mode 600; the user's configuration when None.

    Raises:
        InputError: files there that are no certificate and key of one's own.
        OutputError: the folder cannot be written.
    """
    folder = folder or config_folder()
    private_folder(folder)
    files = folder / "certificate.pem", folder / "key.pem"
    if not (files[0].exists() and files[1].exists() and _holds(files[0], files[1], addresses)):
        _write(*files, addresses)
    certificate = x509.load_pem_x509_certificate(files[0].read_bytes())
    return Certificate(*files, certificate.fingerprint(hashes.SHA256()).hex(":").upper())


def _holds(certificate: Path, key: Path, addresses: Sequence[str]) -> bool:
    if key.stat().st_mode & 0o077:
        raise CertificateError(
            "a key that only its owner can read", "one with wider rights", str(key), f"chmod 600 {key}"
        )
    try:
        known_certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        named = known_certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        do = f"Remove {certificate.parent}; a new one is made"
        raise CertificateError("a certificate and its key", "files of another kind", str(certificate), do) from None
    known = {str(address) for address in named.get_values_for_type(x509.IPAddress)}
    alike = known_certificate.public_key() == private.public_key()
    return alike and known >= set(addresses) and known_certificate.not_valid_after_utc - _LEFT > datetime.now(UTC)


def _write(certificate: Path, key: Path, addresses: Sequence[str]) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Edgewright studio")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(address)) for address in addresses)]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(private, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    write_atomic(key, private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain), mode=0o600)
    write_atomic(certificate, signed.public_bytes(pem))


LIFETIME_S = 600.0
"""Seconds in which the code opens the page."""
COOKIE = "__Host-edgewright-phone"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_SENSORS = b"accelerometer=(self), gyroscope=(self), microphone=(self), camera=(), geolocation=()"
_HEADERS = {
    b"cache-control": b"no-store", b"content-security-policy": POLICY.encode(), b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer", b"x-frame-options": b"DENY", b"permissions-policy": _SENSORS,
    b"cross-origin-opener-policy": b"same-origin", b"cross-origin-resource-policy": b"same-origin",
}  # fmt: skip
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Edgewright</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>This page is closed</h1><p>{}</p></main></body></html>
"""
_AGAIN = "End edgewright studio --phone with Ctrl-C, start it again and scan the new code."


class Access:
    """A token that opens the pages once, and the session that it opened.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.token = secrets.token_urlsafe(24)
        self._session = ""
        self._clock, self._end = clock, clock() + LIFETIME_S

    def opened(self, token: str) -> str:
        """Return the session that a token opens; empty where it is wrong, used or too old."""
        if self._session or self._clock() > self._end or not hmac.compare_digest(token.encode(), self.token.encode()):
            return ""
        self._session = secrets.token_urlsafe(32)
        return self._session

    def known(self, session: str) -> bool:
        """Return whether a session is the open one."""
        return bool(self._session) and hmac.compare_digest(session.encode(), self._session.encode())

    def refusal(self, token: str) -> str:
        """Return why somebody without a session is refused."""
        if not token:
            return "Scan the code in the terminal of edgewright studio --phone: its address holds the key to this page."
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return f"The key in the address is not that of this studio. {_AGAIN}"
        return f"The code {'was used already' if self._session else 'is too old'}. {_AGAIN}"


class Guard(local_server.Guard):
    """Lets one session in, by the address of the code, and refuses everybody else.

    Args:
        app: what answers.
        access: of this studio.
        hosts: values of the Host header by which the phone reaches it.
        largest: bytes of a body.
    """

    thing, marks = "recordings", _HEADERS

    def __init__(self, app: ASGIApp, access: Access, hosts: frozenset[bytes], largest: int = LARGEST_BODY) -> None:
        self.app, self.access, self.hosts, self.largest = app, access, hosts, largest

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and sentence where a request is refused, None where it may pass; a new session is sent on."""
        headers, method = values_of(scope["headers"]), scope["method"]
        if [host.lower() for host in headers.get(b"host", [])][:2] not in [[host] for host in self.hosts]:
            return 421, "This address is not that of the studio."
        if not self.access.known(cookie_value(headers, COOKIE)):
            token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0] if method == "GET" else ""
            session = self.access.opened(token) if scope["path"] == "/" else ""
            return (303, session) if session else (403, self.access.refusal(token))
        if method == "POST" and headers.get(b"origin") not in [[b"https://" + host] for host in self.hosts]:
            return 403, "The studio accepts recordings only from its own page."
        return None

    async def refuse(self, send: Send, status: int, sentence: str) -> None:
        """Answer a request that may not pass; the sentence of a new session is its key."""
        if status == 303:
            cookie = f"{COOKIE}={sentence}; Path=/; Secure; HttpOnly; SameSite=Lax"
            more = {b"location": b"/", b"set-cookie": cookie.encode(), **_HEADERS}
            await local_server.refuse(send, status, b"", b"text/html", more.items())
        else:
            body = _PAGE.format(sentence).encode()
            await local_server.refuse(send, status, body, b"text/html; charset=utf-8", _HEADERS.items())
