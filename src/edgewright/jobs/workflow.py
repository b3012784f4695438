"""From the folder of a job to its record and its page; a job that was stopped goes on behind its finished steps."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgewright._version import __version__
from edgewright.core import catalogue
from edgewright.core.files import DISK_FAILED, write_atomic
from edgewright.core.formatting import percent
from edgewright.core.toml_tables import convert_table
from edgewright.jobs.catalogue import TABLE, read_job
from edgewright.jobs.steps import Ran, Step, StepConfig, Work
from edgewright.pipeline.cost.duration_estimate import tell_ahead
from edgewright.pipeline.run_folder.folder import new_run_folder
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.pipeline.run_folder.stopped_work import FINISHED_STEPS, last_stopped, remove_stopped
from edgewright.schema.config import PipelineConfig
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.job import JobRecord, JobSpec, StepProgress, StepRecord
from edgewright.schema.trace_flow import encode_record
from edgewright.trace.blocks.markdown import markdown_of
from edgewright.trace.views.job import DECISION, decision_sections, job_page, value_text

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
            made_of=self._made_of, out=str(work.out), steps=tuple(records),
            runs={name: _Run(ran.config, str(ran.folder), ran.data, ran.decision) for name, ran in work.runs.items()},
            changes=work.changes, data=None if work.data is None else str(work.data),
            files=tuple(sorted(path.relative_to(work.out).as_posix() for path in work.out.rglob("*"))),
        )  # fmt: skip
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
    digest = hashlib.sha256(f"{__version__} {work.data and work.data.resolve()}".encode())
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


STEPS = "edgewright.jobs.steps"
# A figure of a step in the answer of a job.
_FIGURE = re.compile(r"\{([^{}.]+)\.([^{}.]+)\}")
RECORD, PAGE = "job.json", "job.html"


@dataclass(frozen=True)
class JobResult:
    """What a job left: its folder with `job.json`, `job.html` and its decision record, and what its steps wrote."""

    folder: Path
    record: JobRecord


def run_job(
    folder: Path, *, data: Path | None, out: Path, force: bool = False, resume: bool = False, listener: Listener
) -> JobResult:
    """Run all steps of a job.

    Args:
        folder: of the job.
        data: of its data, or of folders of public sets; None loads what its pipelines name.
        out: folder of runs.
        force: replace the folder of an earlier run of the job.
        resume: go on behind the last step that was finished when the job was stopped.
        listener: hears of every step.

    Raises:
        EdgewrightError: the table or the first step fails; nothing is left behind. A later step that fails is recorded,
            and ends the job.
    """
    spec = read_job(folder)
    steps = _steps(spec, folder)
    listener.start(folder.name, spec.title, "")
    tell_ahead(listener.ahead, f"The job {folder.name}", spec.minutes * 60)
    expected = "a job that was stopped behind a finished step"
    stopped = last_stopped(out, folder.name, FINISHED_STEPS, expected) if resume else None
    with new_run_folder(out, folder.name, force=force, stopped=stopped) as run_folder:
        work = Work(folder, run_folder.work, data, listener)
        finished = FinishedSteps(work)
        records = finished.take() if stopped else []
        for config, step in steps[len(records) :]:
            listener.steps(_progress(steps, records))
            started = time.perf_counter()
            try:
                record: StepRecord = step.run(config, work)
            except EdgewrightError as error:
                if not records or getattr(error, "errno", None) in DISK_FAILED:
                    raise
                # What the steps before took minutes for is kept.
                record = StepRecord(says=(str(error),), passed=False)
            records.append(
                msgspec.structs.replace(
                    record, name=config.step_name, kind=config.kind, title=config.title or step.title,
                    seconds=round(time.perf_counter() - started, 1),
                )
            )  # fmt: skip
            if not record.passed:
                break
            finished.keep(records)
        listener.steps(_progress(steps, records))
        targets = tuple(msgspec.structs.replace(target, measured=None) for target in spec.targets)
        whole = JobRecord(
            name=folder.name, title=spec.title, users=spec.users, today=spec.today, error=spec.error, shows=spec.shows,
            limits=spec.limits, targets=targets, steps=tuple(records), answer=answered(spec.answer, records),
            picture=spec.picture,
        )  # fmt: skip
        write_atomic(run_folder.work / RECORD, encode_record(whole))
        write_atomic(run_folder.work / PAGE, job_page(whole).encode())
        write_atomic(run_folder.work / DECISION, decision_text(whole).encode())
    remove_stopped(out, folder.name, FINISHED_STEPS)
    return JobResult(run_folder.final, whole)


def answered(template: str, records: Sequence[StepRecord]) -> str:
    """Return the answer of a job with the figures that its steps measured; where one failed, what it says."""
    failed = next((record for record in records if not record.passed), None)
    if failed is not None:
        return f"No answer: {failed.title} failed. {' '.join(failed.says[:1])}".strip()
    known = {(record.name, figure.name): figure for record in records for figure in record.figures}

    def measured(match: re.Match[str]) -> str:
        figure = known.get((match[1], match[2]))
        if figure is None:
            return "(not measured)"
        return percent(figure.value, 1) if figure.unit == "" else value_text(figure.value, figure.unit)

    return _FIGURE.sub(measured, template)


def _progress(steps: Sequence[tuple[StepConfig, Step[Any]]], records: Sequence[StepRecord]) -> tuple[StepProgress, ...]:
    ended = tuple(
        StepProgress(record.name, record.title, "finished" if record.passed else "failed", record.seconds)
        for record in records
    )
    ahead = [
        StepProgress(config.step_name, config.title or step.title, "waiting") for config, step in steps[len(ended) :]
    ]
    if ahead and all(record.passed for record in records):
        ahead[0] = msgspec.structs.replace(ahead[0], state="running")
    return (*ended, *ahead)


def decision_text(record: JobRecord) -> str:
    """Return the decision record of a job in Markdown."""
    status = "accepted" if record.passed else "a check failed"
    return markdown_of(f"{record.name}: {record.title}", status, decision_sections(record))


def _steps(spec: JobSpec, folder: Path) -> list[tuple[StepConfig, Step[Any]]]:
    """Return each step with its configuration.

    Raises:
        InputError: a key or value does not fit, or two steps have one name.
        UnknownNameError: a kind that is not known.
    """
    configured: list[tuple[StepConfig, Step[Any]]] = []
    for number, table in enumerate(spec.steps):
        where = f"{folder.name} {TABLE} steps[{number}]"
        step: Step[Any] = catalogue.find(STEPS, str(table.get("kind", "")), "STEP", "kind of step", where)
        configured.append((convert_table(table, step.config, where), step))
    names = [config.step_name for config, _ in configured]
    for name in names:
        if names.count(name) > 1:
            raise InputError("a name of its own for each step", f"{name!r} twice", f"{folder.name} {TABLE}", "Set name")
    named = [("answer", name) for name, _ in _FIGURE.findall(spec.answer)]
    for key, name in [*named, *([("picture", spec.picture)] if spec.picture else [])]:
        if name not in names:
            raise InputError(f"one of the steps {', '.join(names)}", repr(name), f"{folder.name} {TABLE} {key}")
    for target in spec.targets:
        if target.step not in names:
            raise InputError(
                f"a target of one of the steps {', '.join(names)}", repr(target.step), f"{folder.name} {TABLE}"
            )
    return configured
