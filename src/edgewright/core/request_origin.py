"""Where a request to a server on this machine comes from: its own pages and programs, or a page of another site.

A page of another site can make a browser send requests to 127.0.0.1. They show themselves: the page's name resolved to
this machine (DNS rebinding) in the Host header, its address in Origin and Sec-Fetch-Site (docs/adr/0019-the-studio.md).
"""

from __future__ import annotations

from collections.abc import Iterable


def own_hosts(port: int) -> frozenset[bytes]:
    """Return the values of the Host header by which this machine alone reaches a port of it."""
    names = [f"127.0.0.1:{port}", f"localhost:{port}"] + (["127.0.0.1", "localhost"] if port == 80 else [])
    return frozenset(name.encode() for name in names)


def values_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Return the values of each header; names in lower case."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


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


def foreign_page(headers: dict[bytes, list[bytes]], hosts: frozenset[bytes], *, programs: bool) -> str:
    """Return why a request that changes something may come from a page of another site; empty where it does not.

    Args:
        headers: as `values_of` gives them.
        hosts: as `own_hosts` gives them.
        programs: programs may ask, too: they send no Origin, and a browser sends one with every POST.
    """
    origin, own = headers.get(b"origin", []), {b"http://" + name for name in hosts}
    if not (programs and not origin) and (len(origin) != 1 or origin[0].lower() not in own):
        return "the Origin is missing or different"
    if headers.get(b"sec-fetch-site", [b"same-origin"])[0] != b"same-origin":
        return "the request came from another site"
    return ""
