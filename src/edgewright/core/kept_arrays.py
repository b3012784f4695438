"""Arrays of stopped work in a file, with their header: whole, or as if nothing were there."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.files import write_atomic

Header = TypeVar("Header", bound=msgspec.Struct)
_HEADER, _DIGEST_BYTES = "header", hashlib.sha256().digest_size


def write_arrays(path: Path, header: msgspec.Struct, arrays: Mapping[str, Any]) -> None:
    """Write arrays and their header.

    Raises:
        OutputError: naming the file and what failed; nothing is left behind.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **{_HEADER: np.frombuffer(msgspec.msgpack.encode(header), np.uint8), **arrays})
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
            header = msgspec.msgpack.decode(file[_HEADER].tobytes(), type=kind)
            return header, {name: file[name] for name in file.files if name != _HEADER}
    except (OSError, msgspec.MsgspecError):
        return None
