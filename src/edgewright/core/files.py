"""Files that are whole or not there, files that a process keeps open, and folders of caches."""

from __future__ import annotations

import errno
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from edgewright.core.errors import InputError, OutputError

try:
    import fcntl
except ImportError:  # no locks on Windows
    fcntl = None  # type: ignore[assignment]

DISK_FAILED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""Numbers of errors of a disk that is full or broken: work that they end goes on once the disk takes it."""


@contextmanager
def os_errors(kind: type[InputError] | type[OutputError], expected: str, where: object, do: str = "") -> Iterator[None]:
    """Raise what the operating system refuses as an error of ours, with the system's own words for what was found."""
    try:
        yield
    except OSError as error:
        given = (expected, error.strerror or str(error), str(where), do)
        raise (OutputError(*given, errno=error.errno) if kind is OutputError else kind(*given)) from None


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> int:
    """Write a file under another name in the same folder, make it durable, rename it, and return its length.

    Args:
        path: path of the file.
        data: its bytes.
        mode: its permissions; never wider for a moment. A package is for others to read, a key is not.

    Raises:
        OutputError: naming the file and what failed; nothing is left behind.
    """
    write_together({path: data}, mode)
    return len(data)


def write_together(files: Mapping[Path, bytes], mode: int = 0o644) -> None:
    """Write files, each whole or as it was before; one flush a folder makes all new names durable.

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
                flush(file)
            # mkstemp makes files that only their owner reads.
            temporary[at].chmod(mode)
        for at in files:
            temporary[at].replace(at)
            del temporary[at]
        for folder in dict.fromkeys(path.parent for path in files):
            sync(folder)
    except OSError as error:
        _remove(temporary)
        raise OutputError(
            f"to write {len(files[at])} bytes", error.strerror or str(error), str(at),
            "Free some space, or choose another folder", errno=error.errno,
        ) from None  # fmt: skip
    except BaseException:
        # Ctrl-C must not leave half a file either.
        _remove(temporary)
        raise


def _remove(temporary: Mapping[Path, Path]) -> None:
    for path in temporary.values():
        path.unlink(missing_ok=True)


PRIVATE = 0o600
"""Mode of files that hold keys, reports or what a device learned; their folders have 0700."""
LOG, INDEX, JOURNAL = "-wal", "-shm", "-journal"
"""Endings of the files beside a SQLite database: its write-ahead log, the log's index, and a rollback journal."""


def private_folder(folder: Path) -> None:
    """Create a folder that only its owner enters; one that exists keeps its mode, and so do the folders above it.

    A new name is durable: files that are flushed in the folder would else be gone with it after a power cut.

    Raises:
        OSError: it cannot be created.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in new:
        with suppress(PermissionError):  # a folder above it that this user may write and not read
            sync(path.parent)


def open_private(path: Path, how: str) -> IO[Any]:
    """Open a file that only its owner reads, from its first byte on; `how` is the mode of `open`.

    Raises:
        OSError: it cannot be opened.
    """
    return open(path, how, opener=lambda name, flags: os.open(name, flags, PRIVATE))


def lock(file: IO[Any], *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file until it is closed; true where the system has no such locks.

    Args:
        file: that is open.
        shared: others may hold a shared lock, too.
        wait: wait until no other process has it.

    Returns:
        False without `wait` where another process has it.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def private_database(path: Path) -> None:
    """Create a SQLite file with mode 0600 before SQLite opens it, which gives its log and journal the same mode.

    A file that exists is narrowed, with those beside it. It is not opened: to close it would drop SQLite's locks.

    Raises:
        OSError: it cannot be created.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
    except FileExistsError:
        for ending in ("", LOG, INDEX, JOURNAL):
            sibling = path.with_name(path.name + ending)
            with suppress(OSError):  # of another owner, on a disk that is read-only, or gone
                if sibling.stat().st_mode & 0o077:
                    sibling.chmod(PRIVATE)


def flush(file: IO[Any]) -> None:
    """Make durable what was written to an open file."""
    file.flush()
    os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Make the bytes of a file durable, or new names in a folder: after a power cut it would else hold the old ones."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class HeldFiles:
    """The files of a database as they are now: the database, its write-ahead log and the log's index.

    A process that writes into a file that was removed or replaced loses what it stores. The files are compared by path
    alone: opening and closing the file of a database would drop all locks of this process on it (POSIX).

    Args:
        path: path of the database, of which a connection is open that has read in WAL mode and stays open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._files = {file: _identity(file) for file in (f"{self.path}{side}" for side in ("", LOG, INDEX))}

    def gone(self) -> str:
        """Return which file was removed or replaced since; empty if all are as they were, or cannot be looked at."""
        for file, identity in self._files.items():
            if (present := _identity(file)) != identity and present != _UNKNOWN and identity != _UNKNOWN:
                return f"{os.path.basename(file)} was {'replaced' if present else 'removed'} while it is in use"  # noqa: PTH119 - a text
        return ""


_UNKNOWN = (-1, -1)


def _identity(file: str) -> tuple[int, int] | None:
    """Return device and inode; None for a file that is not there."""
    try:
        status = os.stat(file)  # noqa: PTH116 - a text, three times a commit
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # such as a folder whose permissions changed: open files stay as they are
        return _UNKNOWN
    return status.st_dev, status.st_ino


def cache_folder(name: str, home: Path | None = None) -> Path:
    """Return the folder of a kind of cache: `$XDG_CACHE_HOME/edgewright/NAME`, `~/.cache` where that is not set.

    Args:
        name: name of the kind.
        home: instead of the environment's.
    """
    folder = home or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "edgewright" / name


def data_folder(name: str) -> Path:
    """Return the folder of a kind of the user's data: $EDGEWRIGHT_NAME, else `edgewright/NAME` in the data home.

    The data home is $XDG_DATA_HOME, `~/.local/share` where that is not set.
    """
    if own := os.environ.get(f"EDGEWRIGHT_{name.upper()}"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "edgewright" / name


def state_folder() -> Path:
    """Return the folder of the user's state: `$XDG_STATE_HOME/edgewright`, by default below `~/.local/state`."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "edgewright"


def is_own(folder: Path) -> bool:
    """Return whether nobody else may have written what lies there: code is loaded from no other folder.

    Raises:
        OSError: there is no such folder.
    """
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def read_own(path: Path) -> bytes | None:
    """Return a file of a folder that nobody else may write to; None where there is none."""
    try:
        return path.read_bytes() if hasattr(os, "getuid") and is_own(path.parent) else None
    except OSError:
        return None


def write_own(path: Path, data: bytes) -> None:
    """Write a file that others see whole; it need not outlive a power cut, and is left out where it cannot be kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not hasattr(os, "getuid") or not is_own(path.parent):
            return
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
    except OSError:
        # No cache can be written here: it is made again in the next process.
        return


# What the libraries of a run map before any data: JAX, Polars and ONNX Runtime with one heap (docs/benchmarks.md).
_LIBRARIES = 1 << 30


def limit_bytes() -> int | None:
    """Return the limit of virtual memory of this process (`ulimit -v`); None without any."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:  # Windows
        return None
    limit: int = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def free_bytes() -> float:
    """Return the bytes of data that this process may still take; infinite where nothing says."""
    return max(0.0, min(_limits(), default=math.inf))


def _limits(group: Path = Path("/sys/fs/cgroup"), machine: Path = Path("/proc/meminfo")) -> Iterator[float]:
    if (limit := limit_bytes()) is not None:
        yield limit - max(_pages(0), _LIBRARIES)
    with suppress(OSError, ValueError):  # 'max' where there is no limit
        yield int((group / "memory.max").read_text("ascii")) - resident_bytes()
    with suppress(OSError):
        yield from (
            1024.0 * int(line.split()[1])
            for line in machine.read_text("ascii").splitlines()
            if line.startswith("MemAvailable:")
        )


def resident_bytes() -> int:
    """Return the bytes of this process in memory; 0 if the kernel does not report them."""
    return _pages(1)


def _pages(field: int) -> int:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[field]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
