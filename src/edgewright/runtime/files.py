"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edgewright.schema.errors import OutputError


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes a file under another name in the same folder, makes it durable, and renames it.

    Args:
        path: of the file.
        data: its bytes.
        mode: its permissions; never wider for a moment. A package is for others to read, a key is not.

    Raises:
        OutputError: naming the file and what failed; nothing is left behind.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner reads.
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise OutputError(
            f"to write {len(data)} bytes", reason, str(path), "Free some space, or choose another folder"
        ) from None
    except BaseException:
        # Ctrl-C must not leave half a file either.
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder durable: after a power cut it would else still hold the old ones."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
