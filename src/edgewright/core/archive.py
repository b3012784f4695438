"""A sealed ZIP: the same files give the same bytes, and any byte that changes is noticed.

ZIP has fields that no reader checks (dates, attributes, extra data). The comment at the end of the archive therefore
holds the SHA-256 of everything before it; tools that know nothing of it open the file all the same.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from edgewright.schema.errors import InputError

LARGEST = 256 << 20
# Deflate reaches 1030 to 1; models and arrays stay far below 200. Small archives may hold plain zeros.
_RATIO, _RATIO_FROM = 200, 16 << 20
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX, _READABLE = 3, 0o100644 << 16
_SEAL = b"edgewright sha256 "
_SEAL_LENGTH = len(_SEAL) + 64
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_DO = "Fetch the package again: it was damaged or changed after it was made"
# What zipfile raises for archives that are not what they say.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    KeyError,
    EOFError,
    OSError,
    struct.error,
)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Files by name as one archive: sorted, with a fixed date and fixed attributes, sealed.

    Raises:
        InputError: for a name that `unpack` would refuse.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=False) as archive:
        for name in sorted(files):
            _check_name(name, "the package")
            member = zipfile.ZipInfo(name, _DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system, member.external_attr = _UNIX, _READABLE
            archive.writestr(member, files[name], compresslevel=9)
        archive.comment = _SEAL + b"0" * 64
    body = out.getvalue()[:-_SEAL_LENGTH]
    return body + _seal(body)


def read_file(path: Path, what: str, *, absent: str, unread: str = "") -> bytes:
    """The bytes of a packed file; one that is too large is not read.

    Args:
        path: of the file.
        what: it should be, in messages.
        absent: what to do where there is no such file.
        unread: what to do where it cannot be read.

    Raises:
        InputError: missing, too large, or it cannot be read.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(f"at most {LARGEST >> 20} MB", f"{size >> 20} MB", str(path))
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(what, "no such file", str(path), absent) from None
    except OSError as error:
        raise InputError(what, error.strerror or str(error), str(path), unread) from None


def unpack(data: bytes, where: str) -> dict[str, bytes]:
    """The files of a sealed archive.

    Raises:
        InputError: when it is no archive, is cut short, altered or too large, or names files in an unsafe way.
    """
    if len(data) > LARGEST:
        raise InputError(f"at most {LARGEST >> 20} MB", f"{len(data) >> 20} MB", where)
    if not data.startswith(b"PK"):
        raise InputError("a package (a ZIP file)", "a file of another kind", where)
    body, seal = data[:-_SEAL_LENGTH], data[-_SEAL_LENGTH:]
    if not seal.startswith(_SEAL):
        raise InputError("a whole package", "one that is cut short or not sealed", where, _DO)
    if seal != _seal(body):
        raise InputError("a package as it was made", "one with other bytes", where, _DO)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _members(archive, len(data), where)
    except _DAMAGED as error:
        raise InputError("a package that can be read", str(error), where, _DO) from None


def _seal(body: bytes) -> bytes:
    return _SEAL + hashlib.sha256(body).hexdigest().encode("ascii")


def _members(archive: zipfile.ZipFile, length: int, where: str) -> dict[str, bytes]:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if total > LARGEST or (total > _RATIO_FROM and total > _RATIO * length):
        raise InputError(f"at most {LARGEST >> 20} MB of files", f"{total} bytes from {length}", where)
    files: dict[str, bytes] = {}
    for member in members:
        _check_name(member.filename, where)
        if member.filename in files:
            raise InputError("every file once", f"{member.filename!r} twice", where, _DO)
        with archive.open(member) as file:
            # read() without a length would unpack up to 2 GB before it looks at the size the archive states.
            files[member.filename] = file.read(member.file_size)
    return files


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError("plain names of files inside the package", repr(name), where)
