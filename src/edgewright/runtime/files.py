"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edgewright.schema.errors import OutputError


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file under another name in the same folder, makes it durable, and renames it.

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
        # mkstemp makes files that only their owner reads; a package is for others to read.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
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


def _sync_folder(folder: Path) -> None:
    """Makes the new name durable: after a power cut the folder would else still hold the old one."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
