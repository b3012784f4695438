"""A sealed ZIP: the same files give the same bytes, and any byte that changes is noticed.

ZIP has fields that no reader checks (dates, attributes, extra data). The comment at the end of the archive therefore
holds the SHA-256 of everything before it; tools that know nothing of it open the file all the same.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from edgewright.core.errors import (
    FileTooLargeError,
    FormatNewerError,
    InputError,
    MissingFileError,
    PackageDamagedError,
)
from edgewright.core.files import write_atomic

V = TypeVar("V")


class _Versioned(msgspec.Struct):
    version: int


def decode_versioned(text: bytes, kind: type[V], newest: int, title: str, expected: str, where: str, do: str) -> V:
    """JSON of a type whose field `version` says the format.

    Args:
        text: JSON.
        kind: type.
        newest: version that is read.
        title: has that format, such as 'detector'.
        expected: in messages, such as 'a file detector.json of a detector'.
        where: name in messages.
        do: about JSON that does not fit.

    Raises:
        InputError: no such JSON, or of a newer version.
    """
    try:
        version = msgspec.json.decode(text, type=_Versioned).version
        if version > newest:
            raise FormatNewerError(
                f"{title} format {newest} or older", str(version), where,
                f"{title.capitalize()} format {version} is newer than this Edgewright reads ({newest}): upgrade",
            )  # fmt: skip
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise PackageDamagedError(expected, str(error), where, do) from None


T = TypeVar("T")

_MAGIC = b"\x93NUMPY\x01\x00"
# NumPy's own reader parses the header as Python source; files from others are matched against what NumPy writes.
_HEADER = re.compile(
    rb"\{'descr': '([<|][fiub][1248])', 'fortran_order': False, 'shape': \(((?:[0-9]{1,12}, ?)*[0-9]{0,12})\), \} *\n"
)


def to_npy(array: NDArray[Any]) -> bytes:
    """Return an array of numbers as the bytes of a .npy file, little endian."""
    out = io.BytesIO()
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    npy_format.write_array(out, little, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def from_npy(data: bytes, where: str) -> NDArray[Any]:
    """Return the array of a .npy file.

    The shape is compared with the length of the data before anything of the array's size is made.

    Raises:
        InputError: for other bytes, other types than numbers, or data that do not fill the shape.
    """
    start = len(_MAGIC) + 2
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(data[start:end])
    if not data.startswith(_MAGIC) or header is None:
        raise PackageDamagedError("an array file (.npy 1.0) of numbers in row order", "other bytes", where)
    shape = tuple(int(length) for length in header[2].replace(b" ", b"").split(b",") if length)
    try:
        dtype = np.dtype(header[1].decode("ascii"))
    except TypeError:
        raise PackageDamagedError("an array of numbers", header[1].decode("ascii"), where) from None
    if math.prod(shape) * dtype.itemsize != len(data) - end:
        raise PackageDamagedError(
            f"{math.prod(shape) * dtype.itemsize} bytes for the shape {shape}", str(len(data) - end), where
        )
    try:
        return np.frombuffer(data, dtype, offset=end).reshape(shape)
    except ValueError:
        raise PackageDamagedError("a possible shape", str(shape), where) from None


LARGEST = 256 << 20
# Deflate reaches 1030 to 1; models and arrays stay far below 200. Small archives may hold plain zeros.
_RATIO, _RATIO_FROM = 200, 16 << 20
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX, _READABLE = 3, 0o100644 << 16
_ARRAY = "arrays/{name}.npy"
_SEAL = b"edgewright sha256 "
_SEAL_LENGTH = len(_SEAL) + 64
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_DO = "Fetch the package again: it was damaged or changed after it was made"
DAMAGED = (
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
"""What zipfile raises for archives that are not what they say."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return files by name as one archive: sorted, with a fixed date and fixed attributes, sealed.

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


def read_file(path: Path, title: str, *, absent: str, unread: str = "") -> bytes:
    """Return the bytes of a packed file; one that is too large is not read.

    Args:
        path: path of the file.
        title: it should be, in messages.
        absent: what to do where there is no such file.
        unread: what to do where it cannot be read.

    Raises:
        InputError: missing, too large, or it cannot be read.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise FileTooLargeError(f"at most {LARGEST >> 20} MB", f"{size >> 20} MB", str(path))
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(title, "no such file", str(path), absent) from None
    except OSError as error:
        raise PackageDamagedError(title, error.strerror or str(error), str(path), unread) from None


def unpack(data: bytes, where: str) -> dict[str, bytes]:
    """Return the files of a sealed archive.

    Raises:
        InputError: when it is no archive, is cut short, altered or too large, or names files in an unsafe way.
    """
    if len(data) > LARGEST:
        raise FileTooLargeError(f"at most {LARGEST >> 20} MB", f"{len(data) >> 20} MB", where)
    if not data.startswith(b"PK"):
        raise PackageDamagedError("a package (a ZIP file)", "a file of another kind", where)
    body, seal = data[:-_SEAL_LENGTH], data[-_SEAL_LENGTH:]
    if not seal.startswith(_SEAL):
        raise PackageDamagedError("a whole package", "one that is cut short or not sealed", where, _DO)
    if seal != _seal(body):
        raise PackageDamagedError("a package as it was made", "one with other bytes", where, _DO)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _members(archive, len(data), where)
    except DAMAGED as error:
        raise PackageDamagedError("a package that can be read", str(error), where, _DO) from None


def pack_parts(
    name: str, spec: msgspec.Struct, arrays: Mapping[str, NDArray[Any]], files: Mapping[str, bytes] | None = None
) -> bytes:
    """Pack a description as JSON, arrays and other files; the same parts give the same bytes.

    Args:
        name: of the JSON.
        spec: the description.
        arrays: by name, as `unpack_arrays` gives them back.
        files: further ones by name.
    """
    text = msgspec.json.format(msgspec.json.encode(spec, order="deterministic"), indent=1) + b"\n"
    return pack({name: text, **{_ARRAY.format(name=n): to_npy(array) for n, array in arrays.items()}, **(files or {})})


def unpack_parts(
    data: bytes, where: str, name: str, kind: type[T], newest: int, title: str, do: str
) -> tuple[T, dict[str, bytes]]:
    """Unpack what `pack_parts` packed: the description, and the files beside it.

    Args:
        data: of the archive.
        where: it is, for messages.
        name: of the JSON.
        kind: kind of the description.
        newest: version of its format that is read.
        title: the archive holds, such as 'detector'.
        do: about a damaged file.

    Raises:
        InputError: another or a damaged archive, or one of a newer format.
    """
    named = f"an {title}" if title[0] in "aeiou" else f"a {title}"
    try:
        files = unpack(data, where)
    except InputError as error:
        expected = error.expected.replace("a package (a ZIP file)", f"{named}'s file").replace("a package", named)
        expected = expected.replace("package", title)
        raise PackageDamagedError(expected, error.got, where, do if error.do else "") from None
    expected = f"a file {name} of {named}"
    return decode_versioned(files.pop(name, b""), kind, newest, title, expected, where, do), files


def unpack_arrays(files: Mapping[str, bytes], names: Collection[str], where: str, do: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of files that are these arrays and nothing else.

    Raises:
        InputError: others, or damaged ones; `do` says what to do.
    """
    wanted = {_ARRAY.format(name=name): name for name in names}
    odd = sorted(wanted.keys() ^ files.keys())
    if odd:
        raise PackageDamagedError(
            f"the arrays {', '.join(names)} and no other file", f"a difference in {odd[0]}", where, do
        )
    return {name: from_npy(files[file], f"{where}, {file}") for file, name in wanted.items()}


def _seal(body: bytes) -> bytes:
    return _SEAL + hashlib.sha256(body).hexdigest().encode("ascii")


def _members(archive: zipfile.ZipFile, length: int, where: str) -> dict[str, bytes]:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if total > LARGEST or (total > _RATIO_FROM and total > _RATIO * length):
        raise FileTooLargeError(f"at most {LARGEST >> 20} MB of files", f"{total} bytes from {length}", where)
    files: dict[str, bytes] = {}
    for member in members:
        _check_name(member.filename, where)
        if member.filename in files:
            raise PackageDamagedError("every file once", f"{member.filename!r} twice", where, _DO)
        with archive.open(member) as file:
            # read() without a length would unpack up to 2 GB before it looks at the size the archive states.
            files[member.filename] = file.read(member.file_size)
    return files


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise PackageDamagedError("plain names of files inside the package", repr(name), where)


Header = TypeVar("Header", bound=msgspec.Struct)
_HEADER_NAME, _DIGEST_BYTES = "header", hashlib.sha256().digest_size


def write_arrays(path: Path, header: msgspec.Struct, arrays: Mapping[str, Any]) -> None:
    """Write arrays and their header.

    Raises:
        OutputError: naming the file and what failed; nothing is left behind.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **{_HEADER_NAME: np.frombuffer(msgspec.msgpack.encode(header), np.uint8), **arrays})
    content = buffer.getvalue()
    write_atomic(path, hashlib.sha256(content).digest() + content)


def read_arrays(path: Path, kind: type[Header]) -> tuple[Header, dict[str, NDArray[Any]]] | None:
    """Return the header and the arrays; None for no file, a damaged one, or one with another kind of header."""
    try:
        stored = path.read_bytes()
        digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            header = msgspec.msgpack.decode(file[_HEADER_NAME].tobytes(), type=kind)
            return header, {name: file[name] for name in file.files if name != _HEADER_NAME}
    except (OSError, msgspec.MsgspecError):
        return None
