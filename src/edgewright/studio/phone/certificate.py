"""What a phone reaches this machine by: an address on the local network, and a certificate of one's own."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgewright.core.files import private_folder, write_atomic
from edgewright.schema.errors import InputError

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
            raise InputError("an address on a local network", "none on this machine", "--phone", do)
        return addresses[0]
    do = f"Addresses here: {', '.join(local_addresses()) or 'none'}"
    try:
        address = ip_address(wanted)
    except ValueError:
        raise InputError("an IPv4 address of this machine", repr(wanted), "--phone-address", do) from None
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            if address.version != 4 or address.is_unspecified or address.is_reserved or address.is_multicast:
                raise OSError
            probe.bind((wanted, 0))
        except OSError:
            raise InputError("an IPv4 address of this machine", wanted, "--phone-address", do) from None
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
        raise InputError("a key that only its owner can read", "one with wider rights", str(key), f"chmod 600 {key}")
    try:
        known_certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        named = known_certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        do = f"Remove {certificate.parent}; a new one is made"
        raise InputError("a certificate and its key", "files of another kind", str(certificate), do) from None
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
