"""A certificate of one's own for the local network, made once and kept in the user's configuration."""

from __future__ import annotations

import os
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
    made = folder / "certificate.pem", folder / "key.pem"
    if not (made[0].exists() and made[1].exists() and _holds(made[0], made[1], addresses)):
        _write(*made, addresses)
    found = x509.load_pem_x509_certificate(made[0].read_bytes())
    return Certificate(*made, found.fingerprint(hashes.SHA256()).hex(":").upper())


def _holds(certificate: Path, key: Path, addresses: Sequence[str]) -> bool:
    if key.stat().st_mode & 0o077:
        raise InputError("a key that only its owner can read", "one with wider rights", str(key), f"chmod 600 {key}")
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        do = f"Remove {certificate.parent}; a new one is made"
        raise InputError("a certificate and its key", "files of another kind", str(certificate), do) from None
    known = {str(address) for address in named.get_values_for_type(x509.IPAddress)}
    alike = found.public_key() == private.public_key()
    return alike and known >= set(addresses) and found.not_valid_after_utc - _LEFT > datetime.now(UTC)


def _write(certificate: Path, key: Path, addresses: Sequence[str]) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Edgewright studio")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(address)) for address in addresses)]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    made = (
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
    write_atomic(certificate, made.public_bytes(pem))
