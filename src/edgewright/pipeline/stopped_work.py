"""A folder of work that was stopped keeps what is finished, and the work goes on in it, under the same path."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without it: nothing keeps two processes apart
    fcntl = None  # type: ignore[assignment]

FINISHED = "finished.json"
"""What is finished, in a folder of work; without it the folder is removed when the work ends."""
_LOCK = ".held"


def stopped_folders(parent: Path, name: str) -> list[Path]:
    """Return folders of stopped work of a name that nobody goes on with, the newest last."""
    found = [path for path, _ in work_folders(parent, name) if (path / FINISHED).is_file() and not _busy(path)]
    return sorted(found, key=lambda path: (path / FINISHED).stat().st_mtime_ns)


def work_folders(parent: Path, name: str) -> Iterator[tuple[Path, int]]:
    """Yield folders of work of a name, with the number of the process that began it."""
    for path in parent.glob(f".{glob.escape(name)}-*.tmp"):
        number, _, rest = path.name.removeprefix(f".{name}-").partition("-")
        # A further dash: the folder of another pipeline, whose name begins with this one.
        if number.isdecimal() and "-" not in rest:
            yield path, int(number)


@contextmanager
def held(work: Path) -> Iterator[bool]:
    """Keep others from going on with a folder of work; false where somebody does."""
    with (work / _LOCK).open("ab") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def finish(work: Path) -> None:
    """Remove what only stopped work needs, before the folder gets its name."""
    for name in (FINISHED, _LOCK):
        (work / name).unlink(missing_ok=True)


def _busy(work: Path) -> bool:
    with held(work) as mine:
        return not mine
