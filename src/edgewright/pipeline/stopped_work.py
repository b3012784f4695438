"""A folder of work that was stopped keeps what is finished, and the work goes on in it, under the same path."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.schema.errors import InputError

try:
    import fcntl
except ImportError:  # a system without it: nothing keeps two processes apart
    fcntl = None  # type: ignore[assignment]

FINISHED_STEPS, FINISHED_EPOCHS = "finished-steps.json", "finished-epochs.json"
"""What is finished of a job, and of the trainings of a run; without either a folder is removed when the work ends."""
TRAININGS = ".trainings"
"""Folder of trainings in a folder of work."""
_LOCK = ".held"
KEPT = (FINISHED_STEPS, FINISHED_EPOCHS, TRAININGS, _LOCK)
"""Names of what only stopped work needs."""


def stopped_folders(parent: Path, name: str, finished: str) -> list[Path]:
    """Return folders of stopped work of a name that nobody goes on with, the newest last.

    Args:
        parent: folder of runs.
        name: of the job or run.
        finished: `FINISHED_STEPS` or `FINISHED_EPOCHS`.
    """
    found = [path for path, _ in work_folders(parent, name) if (path / finished).is_file() and not _busy(path)]
    return sorted(found, key=lambda path: (path / finished).stat().st_mtime_ns)


def last_stopped(parent: Path, name: str, finished: str, expected: str) -> Path:
    """Return the newest of `stopped_folders`.

    Raises:
        InputError: there is none; `expected` says what there should be.
    """
    found = stopped_folders(parent, name, finished)
    if not found:
        raise InputError(expected, "none", f"{name} in {parent}", "Leave out --resume")
    return found[-1]


def remove_stopped(parent: Path, name: str, finished: str) -> None:
    """Remove what stopped work of a name has kept, once one of that name is whole."""
    for path in stopped_folders(parent, name, finished):
        shutil.rmtree(path, ignore_errors=True)


def keeps(work: Path) -> bool:
    """Return whether something is finished in a folder of work."""
    return any((work / name).is_file() for name in (FINISHED_STEPS, FINISHED_EPOCHS))


def work_folders(parent: Path, name: str) -> Iterator[tuple[Path, int]]:
    """Yield folders of work of a name, with the number of the process that began it."""
    for path in parent.glob(f".{glob.escape(name)}-*.tmp"):
        number, _, rest = path.name.removeprefix(f".{name}-").partition("-")
        # A further dash: the folder of another pipeline, whose name begins with this one.
        if number.isdecimal() and "-" not in rest:
            yield path, int(number)


@contextmanager
def held(work: Path, what: str = "run") -> Iterator[None]:
    """Keep others from going on with a folder of work.

    Args:
        work: the folder.
        what: 'run' or 'job', for the error.

    Raises:
        InputError: somebody does.
    """
    with _locked(work) as mine:
        if not mine:
            raise InputError(f"a {what} that nobody goes on with", "one that another process does", str(work))
        yield


def finish(work: Path) -> None:
    """Remove what only stopped work needs, before the folder gets its name."""
    shutil.rmtree(work / TRAININGS, ignore_errors=True)
    for name in KEPT:
        (work / name).unlink(missing_ok=True)


@contextmanager
def _locked(work: Path) -> Iterator[bool]:
    """Lock a folder of work; false where somebody has."""
    with (work / _LOCK).open("ab") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _busy(work: Path) -> bool:
    with _locked(work) as mine:
        return not mine
