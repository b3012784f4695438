"""Trainings of a run, kept in its folder: a run that was stopped goes on behind its last whole epoch."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgewright._version import __version__
from edgewright.core.files import write_atomic
from edgewright.pipeline.run_folder.stopped_work import (
    FINISHED_EPOCHS,
    KEPT,
    TRAININGS,
    kept_when_stopped,
    last_stopped,
)
from edgewright.schema.errors import InputError
from edgewright.training.kept_epochs import keeping


def stopped_run(parent: Path, name: str, of: str) -> Path:
    """Return the folder of the run of a name that was stopped last, before its data are read.

    Args:
        parent: folder of runs.
        name: of the run.
        of: as `kept_trainings` takes it.

    Raises:
        InputError: none was, or another one.
    """
    work = last_stopped(parent, name, FINISHED_EPOCHS, "a run that was stopped while it trained")
    with suppress(FileNotFoundError):  # another process goes on with it, which `held` says
        _refuse_others((work / FINISHED_EPOCHS).read_text().partition("\n")[0], _settings(of), work)
    return work


def goes_on(parent: Path, name: str, of: str) -> bool:
    """Return whether a run was stopped that `stopped_run` returns."""
    try:
        return bool(stopped_run(parent, name, of))
    except InputError:
        return False


@contextmanager
def kept_trainings(work: Path, of: str, on: str, *, resumed: bool) -> Iterator[None]:
    """Keep the trainings of a block that is stopped: by Ctrl-C, a kill or a full disk.

    A block that fails for another reason fails again with the same trainings, so nothing is kept of it.

    Args:
        work: folder of the run.
        of: what is trained, in a text that another run does not have and that is known without the data.
        on: the same of the data.
        resumed: whether the run goes on in a folder of a stopped one.

    Raises:
        InputError: another run was stopped.
    """
    mark, made_of = work / FINISHED_EPOCHS, f"{_settings(of)}\n{on}"
    if resumed:
        _refuse_others(mark.read_text(), made_of, work)
    (work / TRAININGS).mkdir(exist_ok=True)
    with keeping(work / TRAININGS, lambda: mark.exists() or write_atomic(mark, made_of.encode())):
        for path in work.iterdir() if resumed else ():
            if path.name not in KEPT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with kept_when_stopped(mark):
            yield


def _settings(of: str) -> str:
    return hashlib.sha256(f"{__version__} {of}".encode()).hexdigest()


def _refuse_others(stopped: str, made_of: str, work: Path) -> None:
    if stopped != made_of:
        raise InputError(
            "the pipeline, the data and the version of Edgewright that were stopped", "another one", str(work),
            "Leave out --resume to begin again",
        )  # fmt: skip
