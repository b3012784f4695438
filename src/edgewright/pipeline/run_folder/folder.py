"""Run folders: written under a temporary name and renamed when whole, so nothing is ever half-written."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from edgewright.core.errors import InputError, OutputError, RunError
from edgewright.core.files import DISK_FAILED, lock, sync

# Folder of the fit that was judged, in the folder of a run whose package was refitted.
EVALUATED = "judged"
_KEPT = "What is finished is kept. Free some space and go on with --resume"


def judged_of(folder: Path) -> Path:
    """Where the fit of a run lies that has not seen its test samples: they can judge no other."""
    return folder / EVALUATED if (folder / EVALUATED).is_dir() else folder


def free_name(parent: Path, name: str) -> Path:
    """Return the first of NAME, NAME-2, NAME-3, ... that does not exist."""
    if not (parent / name).exists():
        return parent / name
    number = 2
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


@dataclass
class WorkFolder:
    """Where a run is written (`work`) and what it will be called (`final`)."""

    work: Path
    final: Path


@contextmanager
def new_run_folder(
    parent: Path, name: str, *, force: bool = False, replaces: Path | None = None, stopped: Path | None = None
) -> Iterator[WorkFolder]:
    """Provide a folder to fill, which appears under its final name only when the block ends well.

    Args:
        parent: folder of runs; made when absent.
        name: wanted name; a number is added when it is taken.
        force: replace the folder of that name instead.
        replaces: a folder of runs that this one takes the place of, in place of that of its name.
        stopped: folder of work to go on in, one of `stopped_work.stopped_folders`; a new one when None.

    Yields:
        The place; its `final` holds when the block has ended, as another run may take a name meanwhile.

    Raises:
        InputError: the parent is a file or may not be written.
        OutputError: the disk is full or failed.
    """
    with work_folder(parent, name, stopped) as work:
        old = replaces or (parent / name if force else None)
        location = WorkFolder(work, old or free_name(parent, name))
        yield location
        # Until all of it is on the disk, what stopped work needs stays.
        with numbered(work) as own:
            _flush(own)
            finish(own)
            own.chmod(0o755)
            location.final = _publish(own, location.final, parent, name, replace=old is not None)


@contextmanager
def work_folder(parent: Path, name: str, stopped: Path | None = None) -> Iterator[Path]:
    """Provide a folder of work that nobody else goes on with; it is removed behind the block unless it keeps something.

    Args:
        parent: folder of runs; made when absent, and removed where nothing is in it behind the block.
        name: of the work.
        stopped: folder to go on in; a new one when None.

    Yields:
        The folder.

    Raises:
        InputError: the parent is a file or may not be written, or another process goes on in the folder.
        OutputError: the disk is full or failed.
    """
    known = parent.exists()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent, name)
        begun = stopped or Path(tempfile.mkdtemp(prefix=f".{name}-{os.getpid()}-", suffix=".tmp", dir=parent))
    except OSError as error:
        raise _translate(error, parent) from None
    with locked(begun) as work:
        try:
            yield work
        except (OSError, OutputError) as error:
            if isinstance(error, OutputError) and (error.where, error.do) == (str(parent), _KEPT):
                raise  # a run beside this folder keeps something
            if error.errno in DISK_FAILED:
                raise _translate(error, parent, kept=keeps(work)) from None
            raise
        finally:
            if work.exists() and not keeps(work):
                shutil.rmtree(work, ignore_errors=True)
            if not known:
                with suppress(OSError):  # something is in it
                    parent.rmdir()


def _sweep(parent: Path, name: str) -> None:
    """Remove what a run of this name left that was killed outright: its process number is in the name."""
    for left, process in work_folders(parent, name):
        if not _alive(process) and not keeps(left) and not busy(left):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _flush(work: Path) -> None:
    for path in sorted(work.rglob("*")):
        if path.is_file():
            sync(path)


def _publish(work: Path, final: Path, parent: Path, name: str, *, replace: bool) -> Path:
    """Rename the finished folder and give its name; an old one is removed only after the new one stands."""
    if replace and final.exists():
        aside = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".old", dir=parent))
        final.rename(aside / "old")
        work.rename(final)
        shutil.rmtree(aside, ignore_errors=True)
        return final
    while True:
        try:
            work.rename(final)
        except OSError as error:
            # Another run took the name since it was chosen.
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise
            final = free_name(parent, name)
        else:
            return final


def _translate(error: OSError | OutputError, path: Path, *, kept: bool = False) -> InputError | OutputError:
    reason = error.got if isinstance(error, OutputError) else error.strerror or str(error)
    if error.errno in DISK_FAILED:
        do = _KEPT if kept else "No files were left. Free some space"
        return OutputError("room to write the run", reason, str(path), do, errno=error.errno)
    return RunError("a folder that can be written", reason, str(path), "Choose another with --out")


FINISHED_EPOCHS, FINISHED_FITS = "finished-epochs.json", "finished-fits.txt"
"""Finished trainings of a run and fits of a race; a folder without any is removed at the end."""
TRAININGS, FITS = ".trainings", ".fits"
"""Folders of trainings and of fits in a folder of work."""
_LOCK = ".held"
KEPT = (FINISHED_EPOCHS, FINISHED_FITS, TRAININGS, FITS, _LOCK)
"""Names of what only stopped work needs."""


def stopped_folders(parent: Path, name: str, finished: str) -> list[Path]:
    """Return folders of stopped work of a name that nobody goes on with, the newest last.

    Args:
        parent: folder of runs.
        name: of the run.
        finished: `FINISHED_EPOCHS` or `FINISHED_FITS`.
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
        raise RunError(expected, "none", f"{name} in {parent}", "Leave out --resume")
    return folders[-1]


def remove_stopped(parent: Path, name: str, finished: str) -> None:
    """Remove what stopped work of a name has kept, once one of that name is whole."""
    for path in stopped_folders(parent, name, finished):
        with suppress(FileNotFoundError), _locked(path) as mine:
            if mine:
                shutil.rmtree(path, ignore_errors=True)


def keeps(work: Path) -> bool:
    """Return whether something is finished in a folder of work."""
    return any((work / name).is_file() for name in (FINISHED_EPOCHS, FINISHED_FITS))


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
    return RunError(expected, "one that another process goes on with", where, do)
