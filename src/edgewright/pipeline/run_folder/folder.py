"""Run folders: written under a temporary name and renamed when whole, so nothing is ever half-written."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgewright.core.files import DISK_FAILED, sync
from edgewright.pipeline.run_folder.stopped_work import busy, finish, keeps, locked, numbered, work_folders
from edgewright.schema.errors import InputError, OutputError

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
    return InputError("a folder that can be written", reason, str(path), "Choose another with --out")
