"""Serves the signed files in `public` with headers for caches. Any web server can do this instead."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Receive, Scope, Send

from edgewright.fleet.repository.static_export import CACHE
from edgewright.fleet.server.counters import Counters

PREFIXES = ("/metadata/", "/targets/")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_HASHED = re.compile(r"[0-9a-f]{64}\.")
_VERSIONED = re.compile(r"[0-9]{1,10}\.[A-Za-z0-9_-]+\.json")
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_SMALL, _KEPT, _CHUNK = 1 << 20, 64 << 20, 1 << 17
# The same values that `fleet export` recommends for other servers.
_FOREVER = CACHE["metadata/N.ROLE.json"].encode()
_TIMESTAMP, _OTHERWISE = CACHE["metadata/timestamp.json"].encode(), CACHE["metadata/root.json"].encode()
_NO_METADATA = CACHE["status 404 below metadata/ (the next root)"].encode()
_NO_TARGET = CACHE["status 404 below targets/"].encode()
_Key = tuple[int, int, int]


@dataclass(frozen=True)
class _Small:
    """The content of a file with this inode, size and modification time."""

    key: _Key
    content: bytes
    tag: bytes


class Static:
    """Serves `/metadata/*` and `/targets/**` of a folder, read-only.

    Files up to 1 MiB are cached in memory, up to 64 MiB in total; each request compares inode, size and time to detect
    changes. Publishing renames files into place, so a reader sees either the old or the new file.
    """

    def __init__(self, public: Path, counted: Counters) -> None:
        self._public, self._counted = str(public), counted
        self._kept: OrderedDict[str, _Small] = OrderedDict()
        self._bytes = 0
        self._status = {code: counted.static.labels(str(code)) for code in (200, 206, 304, 404, 405, 416)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        path = scope["path"]
        method = scope["method"]
        if method not in ("GET", "HEAD"):
            await self._send(send, 405, [(b"allow", b"GET, HEAD"), (b"content-length", b"0")])
            return
        target = self._find(path)
        if target is None:
            body = b"" if method == "HEAD" else b"not here\n"
            absent = _NO_METADATA if path.startswith("/metadata/") else _NO_TARGET
            plain = [(b"content-type", b"text/plain"), (b"content-length", b"9"), (b"cache-control", absent)]
            await self._send(send, 404, plain, body)
            return
        file, key = target
        small = await self._small(file, key) if key[1] <= _SMALL else None
        name = path.rpartition("/")[2]
        tag = small.tag if small else _tag(name, key)
        for_ever = _VERSIONED.fullmatch(name) if path.startswith("/metadata/") else _HASHED.match(name)
        caching = _FOREVER if for_ever else _TIMESTAMP if name == "timestamp.json" else _OTHERWISE
        headers = [
            (b"etag", tag), (b"cache-control", caching), (b"accept-ranges", b"bytes"),
            (b"x-content-type-options", b"nosniff"),
        ]  # fmt: skip
        request = {k: v for k, v in scope["headers"] if k in (b"if-none-match", b"range", b"if-range")}
        given = request.get(b"if-none-match", b"").split(b",")
        if any(candidate.strip().removeprefix(b"W/") in (tag, b"*") for candidate in given):
            await self._send(send, 304, headers)
            return
        size = len(small.content) if small else key[1]
        span = _span(request, tag, size)
        if span is None:
            gone = (b"content-range", b"bytes */%d" % size)
            await self._send(send, 416, [*headers, gone, (b"content-length", b"0")])
            return
        first, after = span
        kind = b"application/json" if name.endswith(".json") else b"application/octet-stream"
        headers += [(b"content-type", kind), (b"content-length", b"%d" % (after - first))]
        if part := (first, after) != (0, size):
            headers.append((b"content-range", b"bytes %d-%d/%d" % (first, after - 1, size)))
        status = 206 if part else 200
        if small is not None or method == "HEAD":
            await self._send(send, status, headers, small.content[first:after] if small and method == "GET" else b"")
        else:
            await self._large(send, status, headers, file, key, first, after)

    def _find(self, path: str) -> tuple[str, _Key] | None:
        """Find the file of a path, or None; a path cannot leave the folder, and links are not followed."""
        parts = path[1:].split("/")
        if not 2 <= len(parts) <= 6 or not all(_PART.fullmatch(part) for part in parts):
            return None
        file = f"{self._public}/{'/'.join(parts)}"
        try:
            seen = os.lstat(file)
        except OSError:
            return None
        if not stat.S_ISREG(seen.st_mode):
            return None
        return file, (seen.st_ino, seen.st_size, seen.st_mtime_ns)

    async def _small(self, file: str, key: _Key) -> _Small | None:
        cached = self._kept.get(file)
        if cached is not None and cached.key == key:
            return cached
        read = await asyncio.to_thread(_read, file) if key[1] > 65_536 else _read(file)
        if read is None:
            return None
        if cached := self._kept.pop(file, None):
            self._bytes -= len(cached.content)
        # Do not cache a file that was just changed: another change could have the same time stamp.
        if time.time_ns() - read.key[2] > 50_000_000:
            self._kept[file] = read
            self._bytes += len(read.content)
        while self._bytes > _KEPT:
            self._bytes -= len(self._kept.popitem(last=False)[1].content)
        return read

    async def _large(
        self, send: Send, status: int, headers: list[tuple[bytes, bytes]], file: str, key: _Key, first: int, after: int
    ) -> None:
        """Send parts of a file; it is not open while a client reads one, so that slow clients hold no files."""
        position = first
        while position < after:
            part = await asyncio.to_thread(_read_part, file, key, position, min(_CHUNK, after - position))
            if position == first:
                if not part:
                    await self._send(send, 404, [(b"cache-control", b"no-store"), (b"content-length", b"0")])
                    return
                await send({"type": "http.response.start", "status": status, "headers": headers})
            if not part:  # another file is there: the connection ends, and the client asks again
                return
            position += len(part)
            await send({"type": "http.response.body", "body": part, "more_body": position < after})
        self._status[status].inc()

    async def _send(self, send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._status[status].inc()


def _read(file: str) -> _Small | None:
    try:
        with Path(file).open("rb") as opened:
            seen = os.fstat(opened.fileno())
            content = opened.read(_SMALL + 1)
    except OSError:
        return None
    if len(content) != seen.st_size:
        return None
    tag = b'"%s"' % hashlib.sha256(content).hexdigest()[:32].encode()
    return _Small((seen.st_ino, seen.st_size, seen.st_mtime_ns), content, tag)


def _read_part(file: str, key: _Key, position: int, size: int) -> bytes:
    """Return a part of a file; nothing if it is no longer the one with this key."""
    try:
        with Path(file).open("rb", buffering=0) as opened:
            seen = os.fstat(opened.fileno())
            opened.seek(position)
            return opened.read(size) if (seen.st_ino, seen.st_size, seen.st_mtime_ns) == key else b""
    except OSError:
        return b""


def _tag(name: str, key: _Key) -> bytes:
    # The hash in the file's name; otherwise inode, size and time.
    text = name[:32] if _HASHED.match(name) else f"{key[0]:x}-{key[1]:x}-{key[2]:x}"
    return f'"{text}"'.encode()


def _span(request: dict[bytes, bytes], tag: bytes, size: int) -> tuple[int, int] | None:
    """Return the bytes to send as (first, end); the whole file for no, several or invalid ranges (RFC 9110).

    None means that the range is outside the file.
    """
    whole = (0, size)
    match = _RANGE.fullmatch(request.get(b"range", b"").decode("latin-1").strip())
    if match is None or request.get(b"if-range", tag) != tag:
        return whole
    first, last = match.groups()
    if not first and not last:
        return whole
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    if last and int(last) < int(first):
        return whole
    if int(first) >= size:
        return None
    return int(first), min(size, int(last) + 1 if last else size)
