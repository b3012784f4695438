"""Addresses by which others on the local network reach this machine; nothing is sent to find them."""

from __future__ import annotations

import contextlib
import socket
from ipaddress import ip_address

from edgewright.schema.errors import InputError

# Of the block for documentation (RFC 5737): choosing a route to it sends nothing.
_ELSEWHERE = ("192.0.2.1", 9)


def local_addresses() -> list[str]:
    """Return this machine's IPv4 addresses on local networks, that of the default route first."""
    found: list[str] = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect(_ELSEWHERE)
        found.append(str(asked.getsockname()[0]))
    with contextlib.suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return [address for address in dict.fromkeys(found) if _reached(address)]


def phone_address(wanted: str) -> str:
    """Return the address that a phone reaches: the wanted one, else that of the local network.

    Raises:
        InputError: there is none, or the wanted one is not an address of this machine.
    """
    if not wanted:
        found = local_addresses()
        if not found:
            do = "Connect this machine to the phone's network, or name an address with --phone-address"
            raise InputError("an address on a local network", "none on this machine", "--phone", do)
        return found[0]
    do = f"Addresses here: {', '.join(local_addresses()) or 'none'}"
    try:
        address = ip_address(wanted)
    except ValueError:
        raise InputError("an IPv4 address of this machine", repr(wanted), "--phone-address", do) from None
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        try:
            if address.version != 4 or address.is_unspecified or address.is_reserved or address.is_multicast:
                raise OSError
            tried.bind((wanted, 0))
        except OSError:
            raise InputError("an IPv4 address of this machine", wanted, "--phone-address", do) from None
    return wanted


def _reached(address: str) -> bool:
    found = ip_address(address)
    return not (found.is_loopback or found.is_link_local or found.is_unspecified)
