"""From the folder of a job to its record and its page: one step after the other, each checked before the first runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core import catalogue
from edgewright.core.files import DISK_FAILED, write_atomic
from edgewright.core.toml_tables import convert_table
from edgewright.jobs.catalogue import TABLE, read_job
from edgewright.jobs.finished_steps import FinishedSteps
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.pipeline.duration_estimate import tell_ahead
from edgewright.pipeline.folder import new_run_folder
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.stopped_work import FINISHED_STEPS, last_stopped, remove_stopped
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.job import JobRecord, JobSpec, StepRecord
from edgewright.schema.trace_flow import encode_record
from edgewright.trace.blocks_markdown import markdown_of
from edgewright.trace.job_decision import decision_sections
from edgewright.trace.job_view import DECISION, job_page

STEPS = "edgewright.jobs.steps"
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
    tell_ahead(listener.ahead, f"The job {folder.name}", spec.minutes * 60)
    expected = "a job that was stopped behind a finished step"
    stopped = last_stopped(out, folder.name, FINISHED_STEPS, expected) if resume else None
    with new_run_folder(out, folder.name, force=force, stopped=stopped) as made:
        work = Work(folder, made.work, data, listener)
        finished = FinishedSteps(work)
        records = finished.take() if stopped else []
        for config, step in steps[len(records) :]:
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
                    record, name=config.name or config.kind, kind=config.kind, title=config.title or step.title,
                    seconds=round(time.perf_counter() - started, 1),
                )
            )  # fmt: skip
            if not record.passed:
                break
            finished.keep(records)
        whole = JobRecord(
            name=folder.name, title=spec.title, shows=spec.shows, limits=spec.limits, targets=spec.targets,
            steps=tuple(records),
        )  # fmt: skip
        write_atomic(made.work / RECORD, encode_record(whole))
        write_atomic(made.work / PAGE, job_page(whole).encode())
        write_atomic(made.work / DECISION, decision_text(whole).encode())
    remove_stopped(out, folder.name, FINISHED_STEPS)
    return JobResult(made.final, whole)


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
    made: list[tuple[StepConfig, Step[Any]]] = []
    for number, table in enumerate(spec.steps):
        where = f"{folder.name} {TABLE} steps[{number}]"
        step: Step[Any] = catalogue.find(STEPS, str(table.get("kind", "")), "STEP", "kind of step", where)
        made.append((convert_table(table, step.config, where), step))
    names = [config.name or config.kind for config, _ in made]
    for name in names:
        if names.count(name) > 1:
            raise InputError("a name of its own for each step", f"{name!r} twice", f"{folder.name} {TABLE}", "Set name")
    for target in spec.targets:
        if target.step not in names:
            raise InputError(
                f"a target of one of the steps {', '.join(names)}", repr(target.step), f"{folder.name} {TABLE}"
            )
    return made
