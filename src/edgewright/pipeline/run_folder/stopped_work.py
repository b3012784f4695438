"""A folder of work that was stopped keeps what is finished, and one process goes on in it."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from edgewright.core.files import DISK_FAILED, lock
from edgewright.schema.errors import InputError

FINISHED_STEPS, FINISHED_EPOCHS, FINISHED_FITS = "finished-steps.json", "finished-epochs.json", "finished-fits.txt"
"""What is finished of a job, of the trainings of a run and of a race; a folder without any is removed at the end."""
TRAININGS, FITS = ".trainings", ".fits"
"""Folders of trainings and of fits in a folder of work."""
_LOCK = ".held"
KEPT = (FINISHED_STEPS, FINISHED_EPOCHS, FINISHED_FITS, TRAININGS, FITS, _LOCK)
"""Names of what only stopped work needs."""


def stopped_folders(parent: Path, name: str, finished: str) -> list[Path]:
    """Return folders of stopped work of a name that nobody goes on with, the newest last.

    Args:
        parent: folder of runs.
        name: of the job or run.
        finished: `FINISHED_STEPS`, `FINISHED_EPOCHS` or `FINISHED_FITS`.
    """
    times: dict[Path, int] = {}
    for path, _ in work_folders(parent, name):
        with suppress(FileNotFoundError, NotADirectoryError):  # nothing of this kind, or another process went on
            changed = (path / finished).stat().st_mtime_ns
            if not busy(path):
                times[path] = changed
    return sorted(times, key=times.__getitem__)


def last_stopped(parent: Path, name: str, finished: str, expected: str) -> Path:
    """Return the newest of `stopped_folders`.

    Raises:
        InputError: there is none; `expected` says what there should be.
    """
    folders = stopped_folders(parent, name, finished)
    if not folders:
        if any((path / finished).is_file() for path, _ in work_folders(parent, name)):
            raise _of_another(f"{name} in {parent}", expected)
        raise InputError(expected, "none", f"{name} in {parent}", "Leave out --resume")
    return folders[-1]


def remove_stopped(parent: Path, name: str, finished: str) -> None:
    """Remove what stopped work of a name has kept, once one of that name is whole."""
    for path in stopped_folders(parent, name, finished):
        with suppress(FileNotFoundError), _locked(path) as mine:
            if mine:
                shutil.rmtree(path, ignore_errors=True)


def keeps(work: Path) -> bool:
    """Return whether something is finished in a folder of work."""
    return any((work / name).is_file() for name in (FINISHED_STEPS, FINISHED_EPOCHS, FINISHED_FITS))


def work_folders(parent: Path, name: str) -> Iterator[tuple[Path, int]]:
    """Yield folders of work of a name, with the number of the process that began it."""
    for path in parent.glob(f".{glob.escape(name)}-*.tmp"):
        number, _, rest = path.name.removeprefix(f".{name}-").partition("-")
        # A further dash: the folder of another pipeline, whose name begins with this one.
        if number.isdecimal() and "-" not in rest:
            yield path, int(number)


@contextmanager
def locked(work: Path) -> Iterator[Path]:
    """Keep others from going on with a folder of work, which keeps its name: files in it may hold its path.

    Args:
        work: the folder.

    Yields:
        The folder.

    Raises:
        InputError: another process goes on with it.
    """
    with ExitStack() as until_done:
        try:
            # The process that held the lock before may have renamed the folder.
            mine = until_done.enter_context(_locked(work)) and work.exists()
        except FileNotFoundError:
            mine = False
        if not mine:
            raise _of_another(str(work))
        yield work


@contextmanager
def numbered(work: Path) -> Iterator[Path]:
    """Give a folder of work the number of this process while its mark and lock are removed.

    The folder of a process that has ended is anybody's to remove.

    Args:
        work: the folder, held by this process.

    Yields:
        The folder under its new name; it has its old one again where it is there behind the block.
    """
    begun, _, rest = work.name.rsplit("-", 2)
    own = work.rename(work.with_name(f"{begun}-{os.getpid()}-{rest}"))
    try:
        yield own
    finally:
        if own.exists():
            own.rename(work)


def finish(work: Path) -> None:
    """Remove what only stopped work needs, before the folder gets its name."""
    for name in KEPT:
        if name in (TRAININGS, FITS):
            shutil.rmtree(work / name, ignore_errors=True)
        else:
            (work / name).unlink(missing_ok=True)


@contextmanager
def kept_when_stopped(mark: Path) -> Iterator[None]:
    """Remove the mark of what is kept where a block fails as it would fail again; Ctrl-C and a full disk leave it."""
    try:
        yield
    except Exception as error:
        if getattr(error, "errno", None) not in DISK_FAILED:
            mark.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(work: Path, how: str = "ab") -> Iterator[bool]:
    """Lock a folder of work; false where somebody has."""
    # Elsewhere nothing keeps two processes apart.
    with (work / _LOCK).open(how) if os.name == "posix" else nullcontext() as file:
        yield file is None or lock(file)


def busy(work: Path) -> bool:
    """Return whether a process goes on with a folder of work."""
    # A look makes no file: the folder may get its name at this moment.
    try:
        with _locked(work, "rb+") as mine:
            return not mine
    except (FileNotFoundError, NotADirectoryError):
        return False


def _of_another(where: str, expected: str = "stopped work that nobody goes on with") -> InputError:
    do = "Wait until that ends, or leave out --resume to begin again"
    return InputError(expected, "one that another process goes on with", where, do)
