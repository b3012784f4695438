"""Trainings of a run, kept in its folder: a run that was stopped goes on behind its last whole epoch."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from edgewright.core.files import DISK_FAILED, write_atomic
from edgewright.pipeline.stopped_work import FINISHED_EPOCHS, KEPT, TRAININGS, last_stopped
from edgewright.schema.errors import InputError
from edgewright.training.kept_epochs import keeping


def stopped_run(parent: Path, name: str) -> Path:
    """Return the folder of the run of a name that was stopped last.

    Raises:
        InputError: none was.
    """
    return last_stopped(parent, name, FINISHED_EPOCHS, "a run that was stopped while it trained")


@contextmanager
def kept_trainings(work: Path, of: str, *, resumed: bool) -> Iterator[None]:
    """Keep the trainings of a block that is stopped: by Ctrl-C, a kill or a full disk.

    A block that fails for another reason fails again with the same trainings, so nothing is kept of it.

    Args:
        work: folder of the run.
        of: what is trained on what, in a text that another run does not have.
        resumed: whether the run goes on in a folder of a stopped one.

    Raises:
        InputError: another run was stopped.
    """
    mark, made_of = work / FINISHED_EPOCHS, hashlib.sha256(f"{version('edgewright')} {of}".encode()).hexdigest()
    if resumed and mark.read_text() != made_of:
        raise InputError(
            "the pipeline, the data and the version of Edgewright that were stopped", "another one", str(work),
            "Leave out --resume to begin again",
        )  # fmt: skip
    (work / TRAININGS).mkdir(exist_ok=True)
    with keeping(work / TRAININGS, lambda: mark.exists() or write_atomic(mark, made_of.encode())):
        for path in work.iterdir() if resumed else ():
            if path.name not in KEPT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            yield
        except Exception as error:
            if getattr(error, "errno", None) not in DISK_FAILED:
                mark.unlink(missing_ok=True)
            raise
