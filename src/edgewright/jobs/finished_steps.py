"""Steps of a job that are finished, in the folder that it works in: a job that was stopped goes on behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec

from edgewright.core.files import write_atomic
from edgewright.jobs.steps import Ran, Work
from edgewright.pipeline.stopped_work import FINISHED_STEPS
from edgewright.schema.config import PipelineConfig
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import InputError
from edgewright.schema.job import StepRecord

# Files behind so many bytes, such as recordings, are known by their name, length and time of the last change.
_READ_BYTES = 256 << 20


class _Run(msgspec.Struct, frozen=True):
    config: PipelineConfig
    folder: str
    data: str | None
    decision: DecisionSpec | None


class _Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What is finished.

    Attributes:
        made_of: the version, the job's files and its data.
        out: the folder, as the command named it by then.
        steps: records, in the order of the job.
        runs: by name of their step.
        changes: of the keys of later pipelines.
        data: where later steps read.
        files: everything in the folder; what is there besides is of the step that was stopped.
    """

    made_of: str
    out: str
    steps: tuple[StepRecord, ...]
    runs: dict[str, _Run]
    changes: tuple[str, ...]
    data: str | None
    files: tuple[str, ...]
    layout: Literal[2] = 2


class FinishedSteps:
    """The finished steps of a job.

    Args:
        work: that begins; its `out` is the folder of the stopped one where it goes on.
    """

    def __init__(self, work: Work) -> None:
        self._work, self._made_of = work, _made_of(work)

    def keep(self, records: Sequence[StepRecord]) -> None:
        """Write what is finished."""
        work = self._work
        finished = _Finished(
            made_of=self._made_of,
            out=str(work.out),
            steps=tuple(records),
            runs={name: _Run(ran.config, str(ran.folder), ran.data, ran.decision) for name, ran in work.runs.items()},
            changes=work.changes,
            data=None if work.data is None else str(work.data),
            files=tuple(sorted(path.relative_to(work.out).as_posix() for path in work.out.rglob("*"))),
        )
        write_atomic(work.out / FINISHED_STEPS, msgspec.json.encode(finished))

    def take(self) -> list[StepRecord]:
        """Put the job back behind its last finished step; what the stopped one left is removed.

        Returns:
            Records of the finished steps.

        Raises:
            InputError: the job, its data or Edgewright is another one by now, or the file cannot be read.
        """
        work, do = self._work, "Leave out --resume to begin again"
        try:
            finished = msgspec.json.decode((work.out / FINISHED_STEPS).read_bytes(), type=_Finished)
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError("the finished steps of a job that was stopped", str(error), str(work.out), do) from None
        if finished.made_of != self._made_of:
            raise InputError(
                "the job, the data and the version of Edgewright that were stopped", "another one", str(work.folder), do
            )
        known = {*finished.files, FINISHED_STEPS}
        for path in sorted(work.out.rglob("*"), reverse=True):
            if path.relative_to(work.out).as_posix() not in known:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

        def now(path: str) -> Path:
            known = Path(path)
            return work.out / known.relative_to(finished.out) if known.is_relative_to(finished.out) else known

        for name, run in finished.runs.items():
            data = None if run.data is None else str(now(run.data))
            work.runs[name] = Ran(run.config, now(run.folder), data, run.decision)
        work.changes = finished.changes
        work.data = None if finished.data is None else now(finished.data)
        return list(finished.steps)


def _made_of(work: Work) -> str:
    digest = hashlib.sha256(f"{version('edgewright')} {work.data and work.data.resolve()}".encode())
    left = _READ_BYTES
    for folder in [work.folder] if work.data is None else [work.folder, work.data]:
        root = folder.resolve()
        for path in _files(root, work.out.resolve()):
            status = path.stat()
            digest.update(f"\n{path.relative_to(root).as_posix()} {status.st_size} ".encode())
            if status.st_size <= left:
                left -= status.st_size
                digest.update(hashlib.sha256(path.read_bytes()).digest())
            else:
                digest.update(str(status.st_mtime_ns).encode())
    return digest.hexdigest()


def _files(folder: Path, out: Path) -> list[Path]:
    """Return the files of a folder, or a file alone, in order, without what the job writes."""
    known = [folder] if folder.is_file() else folder.rglob("*")
    return sorted(
        path for path in known if path.is_file() and "__pycache__" not in path.parts and out not in path.parents
    )
