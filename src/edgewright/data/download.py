"""Downloads that resume, are verified, and appear under their name only when they are whole."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgewright.data.contract import RemoteFile
from edgewright.schema.errors import InputError, OutputError

Progress = Callable[[int, int | None], None]

_BLOCK = 1 << 16
_TIMEOUT = 30.0  # seconds without a byte
_ATTEMPTS = 4  # a connection that drops is taken up again this often, as long as each attempt brings something
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def cache_folder() -> Path:
    """Where downloads are kept: $EDGEWRIGHT_DATA, else `edgewright/data` in $XDG_DATA_HOME or ~/.local/share."""
    own = os.environ.get("EDGEWRIGHT_DATA")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_DATA_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "share") / "edgewright" / "data"


def fetch(file: RemoteFile, folder: Path, *, progress: Progress | None = None, timeout: float = _TIMEOUT) -> Path:
    """Download a file, or finds it already there.

    What has arrived lies in `NAME.part`; a later call takes it up with an HTTP Range request, from the start when the
    server does not know ranges. The whole file is compared with its SHA-256, where one is known, and then renamed.

    Args:
        file: what to fetch; http, https and file addresses.
        folder: made when absent.
        progress: called with the bytes so far and the whole size, None when the server does not say.
        timeout: seconds without a byte after which a connection counts as dropped.

    Raises:
        InputError: no network, an answer that is an error, another SHA-256 than the documented one.
        OutputError: the disk is full or read-only.
    """
    if urlsplit(file.url).scheme not in ("http", "https", "file"):
        raise InputError("an address that begins with http, https or file", file.url, file.name)
    whole, part = folder / file.name, folder / (file.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if whole.is_file() and (not file.sha256 or sha256_of(whole) == file.sha256):
            return whole
        _receive_all(file, part, progress, timeout)
        found = sha256_of(part)
        if file.sha256 and found != file.sha256:
            part.unlink()
            raise InputError(
                f"SHA-256 {file.sha256}", found, file.url,
                "The file was removed. The origin may have changed it: get it another way and use --from PATH",
            )  # fmt: skip
        part.replace(whole)
    except OSError as error:
        if error.errno in _FULL:
            raise OutputError("room to write", error.strerror or str(error), str(folder), "Free some space") from None
        raise
    return whole


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _receive_all(file: RemoteFile, part: Path, progress: Progress | None, timeout: float) -> None:
    """Receive into `part` until the file is whole; takes up a connection that drops while that brings something."""
    reason = ""
    for _ in range(_ATTEMPTS):
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _receive(file, part, before, progress, timeout):
                return
            reason = "the connection dropped"
        except urllib.error.HTTPError as error:
            with error:
                raise InputError(
                    "the file at its origin", f"HTTP {error.code} {error.reason}", file.url,
                    "Get it another way and use --from PATH",
                ) from None  # fmt: skip
        except urllib.error.URLError as error:
            reason = str(error.reason)
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        if (part.stat().st_size if part.is_file() else 0) <= before:
            break
    raise InputError(
        "a connection to the origin", reason, file.url,
        "Run the command again to resume, or get the file another way and use --from PATH",
    )  # fmt: skip


def _receive(file: RemoteFile, part: Path, have: int, progress: Progress | None, timeout: float) -> bool:
    """One connection; True when the file is whole afterwards."""
    request = urllib.request.Request(file.url, headers={"User-Agent": "edgewright"})  # noqa: S310 - scheme is checked
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310 - scheme is checked
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        # 416: nothing lies beyond what has arrived. Whole, if the server's size agrees; else the part is of another
        # file and the download begins again.
        with error:
            size = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if size and int(size.group(1)) == have:
            return True
        part.unlink()
        return _receive(file, part, 0, progress, timeout)
    with answer:
        have, total = _place(answer, have)
        with part.open("ab" if have else "wb") as stream:
            while block := _read(answer):
                stream.write(block)
                have += len(block)
                if progress:
                    progress(have, total)
            stream.flush()
            os.fsync(stream.fileno())
    return total is None or have >= total


def _place(answer: Any, have: int) -> tuple[int, int | None]:  # noqa: ANN401 - http.client or a file's answer
    """Return bytes that precede this answer in the file, and the file's size; None when the server does not say.

    A server that does not know ranges answers 200 with the whole file, and then nothing precedes.
    """
    if getattr(answer, "status", None) == 206:
        location = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if location and int(location.group(1)) == have:
            return have, None if location.group(2) == "*" else int(location.group(2))
        raise http.client.HTTPException(f"another range than requested: {answer.headers.get('Content-Range')}")
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length else None


def _read(answer: Any) -> bytes:  # noqa: ANN401 - http.client or a file's answer
    """Return the next block; what a dropping connection brought before it dropped counts as well."""
    try:
        block: bytes = answer.read(_BLOCK)
    except http.client.IncompleteRead as error:
        return error.partial
    return block
