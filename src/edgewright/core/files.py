"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgewright.schema.errors import InputError, OutputError


@contextmanager
def os_errors(kind: type[InputError] | type[OutputError], expected: str, where: object, do: str = "") -> Iterator[None]:
    """Raise what the operating system refuses as an error of ours, with the system's own words for what was found."""
    try:
        yield
    except OSError as error:
        raise kind(expected, error.strerror or str(error), str(where), do) from None


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> int:
    """Write a file under another name in the same folder, make it durable, rename it, and return its length.

    Args:
        path: of the file.
        data: its bytes.
        mode: its permissions; never wider for a moment. A package is for others to read, a key is not.

    Raises:
        OutputError: naming the file and what failed; nothing is left behind.
    """
    write_together({path: data}, mode)
    return len(data)


def write_together(files: Mapping[Path, bytes], mode: int = 0o644) -> None:
    """Write files of one folder, each whole or as it was before; one flush makes all new names durable.

    Args:
        files: bytes by path, renamed in this order.
        mode: their permissions.

    Raises:
        OutputError: naming the file and what failed; nothing half-written is left behind.
    """
    temporary: dict[Path, Path] = {}
    at = next(iter(files), Path())
    try:
        for at, data in files.items():
            handle, name = tempfile.mkstemp(prefix=f".{at.name}.", dir=at.parent)
            temporary[at] = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files that only their owner reads.
            temporary[at].chmod(mode)
        for at in files:
            temporary[at].replace(at)
            del temporary[at]
        for folder in dict.fromkeys(path.parent for path in files):
            sync_folder(folder)
    except OSError as error:
        _remove(temporary)
        raise OutputError(
            f"to write {len(files[at])} bytes", error.strerror or str(error), str(at),
            "Free some space, or choose another folder",
        ) from None  # fmt: skip
    except BaseException:
        # Ctrl-C must not leave half a file either.
        _remove(temporary)
        raise


def _remove(temporary: Mapping[Path, Path]) -> None:
    for path in temporary.values():
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable: after a power cut it would else still hold the old ones."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
