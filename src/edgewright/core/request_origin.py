"""Where a request to a server on this machine comes from: its own pages and programs, or a page of another site.

A page of another site can make a browser send requests to 127.0.0.1. They show themselves: the page's name resolved to
this machine (DNS rebinding) in the Host header, its address in Origin and Sec-Fetch-Site (docs/adr/0019-the-studio.md).
"""

from __future__ import annotations

import errno
import getpass
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

from edgewright.core.errors import CertificateError, PortInUseError


def own_hosts(port: int) -> frozenset[bytes]:
    """Return the values of the Host header by which this machine alone reaches a port of it."""
    names = [f"127.0.0.1:{port}", f"localhost:{port}"] + (["127.0.0.1", "localhost"] if port == 80 else [])
    return frozenset(name.encode() for name in names)


def values_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Return the values of each header; names in lower case."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    return values


def cookie_value(headers: dict[bytes, list[bytes]], name: str) -> str:
    """Return the value of a cookie, or "" if there is none; headers as `values_of` gives them."""
    for part in b";".join(headers.get(b"cookie", [])).decode("latin-1").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def is_foreign_host(headers: dict[bytes, list[bytes]], hosts: frozenset[bytes], *, programs: bool) -> bool:
    """Return whether the Host header names another machine.

    Args:
        headers: as `values_of` gives them.
        hosts: as `own_hosts` gives them.
        programs: programs may ask, too: simple ones send no Host, and a browser always sends one.
    """
    host = headers.get(b"host", [])
    if programs and not host:
        return False
    return len(host) != 1 or host[0].lower() not in hosts


def foreign_page(
    headers: dict[bytes, list[bytes]], hosts: frozenset[bytes], *, programs: bool, scheme: str = "http"
) -> str:
    """Return why a request that changes something may come from a page of another site; empty where it does not.

    Args:
        headers: as `values_of` gives them.
        hosts: as `own_hosts` gives them.
        programs: programs may ask, too: they send no Origin, and a browser sends one with every POST.
        scheme: `http` or `https`.
    """
    origin, own = headers.get(b"origin", []), {scheme.encode() + b"://" + name for name in hosts}
    if not (programs and not origin) and (len(origin) != 1 or origin[0].lower() not in own):
        return "the Origin is missing or different"
    if headers.get(b"sec-fetch-site", [b"same-origin"])[0] != b"same-origin":
        return "the request came from another site"
    return ""


def free_port(host: str, wanted: int) -> int:
    """Return the port to listen on; 0 asks the system for one.

    Raises:
        InputError: another program listens there, or it may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # As the server does, so that a port whose last connections are still closing is not refused.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, wanted))
            listener.listen(1)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            got = f"{wanted}, which another program uses" if in_use else error.strerror or str(error)
            do = "Name another with --port, or --port 0 for any that is free"
            raise PortInUseError("a free port", got, f"{host}:{wanted}", do) from None
        return int(listener.getsockname()[1])


def account(otherwise: str) -> str:
    """Name of the account; `otherwise` where the machine has none for it, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return otherwise


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS settings of a server: version 1.3 only.

    Raises:
        InputError: the files are no certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # devices keep connections and do not resume sessions
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise CertificateError("a certificate and its key in PEM", str(error), f"{certificate} and {key}") from None
    return context
