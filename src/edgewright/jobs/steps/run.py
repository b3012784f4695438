"""`run`: data to a package by a pipeline, judged on groups that took no part in it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from edgewright.core.formatting import measure_word
from edgewright.jobs.group_figures import class_names, error_figures, judged_of, share_figures
from edgewright.jobs.steps import Ran, Step, StepConfig, Work
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.errors import CheckFailedError
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.schema.trace import EvaluationRecord, Trace


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pipeline.

    Attributes:
        pipeline: file of the job's folder, or a shipped pipeline.
        set: changes of its keys, such as 'adapt.layer=output'.
        data: folder of recordings that an earlier step made, such as 'words/compared', in place of the job's data.
        synthetic: folder of recordings that an earlier step made and that train, too, such as 'words/takes'.
        classes: labels whose F1 is a figure of its own.
    """

    pipeline: str = "pipeline.toml"
    set: tuple[str, ...] = ()
    data: str = ""
    synthetic: str = ""
    classes: tuple[str, ...] = ()


def _run(config: Config, work: Work) -> StepRecord:
    synthetic = (f"training.synthetic={work.out / config.synthetic}",) if config.synthetic else ()
    pipeline = work.pipeline(config.pipeline, (*config.set, *synthetic))
    changes = (*work.changes, *config.set, *((f"training.synthetic={config.synthetic}",) if synthetic else ()))
    command = " ".join(["edgewright run", config.pipeline, *(f"--set {shlex.quote(change)}" for change in changes)])
    data = str(work.out / config.data) if config.data else work.data_of(pipeline)
    result = run_pipeline(pipeline, data=data, out=work.out, listener=work.listener, command=command)
    if result.package is None:
        raise CheckFailedError(f"the run {pipeline.name} has no package: {result.refused}")
    work.runs[config.step_name] = Ran(pipeline, result.folder, data)
    trace = result.trace
    says = (trace.insight.sentence,) if trace.insight else ()
    return StepRecord(
        command=command, says=says, figures=figures(trace, config.classes), folder=result.folder.name
    )  # fmt: skip


def figures(trace: Trace, classes: Sequence[str] = ()) -> tuple[JobFigure, ...]:
    """Return what the test samples say of a run, and what the form takes that goes to a device.

    Args:
        trace: of the run.
        classes: labels whose F1 is a figure of its own.

    Raises:
        UnknownNameError: a class that the run does not have.
    """
    reported = [] if trace.evaluation is None else _evaluation_figures(trace.evaluation, classes)
    forms = trace.compression.variants if trace.compression else ()
    shipped = "int8" if any(form.name == "int8" for form in forms) else "float"
    for form in forms:
        if form.name == "int8" and form.accuracy is not None:
            reported.append(JobFigure.of_interval("int8_accuracy", "accuracy in int8", form.accuracy))
        if form.name != shipped:
            continue
        reported.append(JobFigure.of("weights", f"{form.name} weights", form.weight_bytes, "B"))
        if form.device_flash is not None:
            reported.append(JobFigure.of_interval("flash", "whole program, estimated", form.device_flash, "B"))
    return tuple(reported)


def _evaluation_figures(record: EvaluationRecord, classes: Sequence[str]) -> list[JobFigure]:
    figures = [
        JobFigure.of_interval(name, title, interval)
        for name, title, interval in (
            ("accuracy", "accuracy", record.accuracy),
            ("macro_f1", "macro F1", record.macro_f1),
        )
        if interval is not None
    ]
    figures += [
        JobFigure(name=name, title=measure_word(name), value=value, interval=record.intervals.get(name), unit="1")
        for name, value in record.regression.items()
    ]
    groups = [(row.accuracy, row.group) for row in record.groups if row.accuracy is not None]
    if len(groups) > 1:
        worst, name = min(groups)
        figures.append(JobFigure.of("worst", f"accuracy of the worst of {len(groups)}: {name}", worst))
    named = class_names(record.labels, classes, "classes of the step")
    answers = judged_of(record.labels, record.groups, record.samples)
    if answers is None:
        shares = {row.label: row.f1 for row in record.classes}
        figures += [
            JobFigure.of(name, f"F1 of {label}", shares[label]) for name, label in zip(named, classes, strict=True)
        ]
        return figures + error_figures(record.groups)
    known = {figure.name for figure in figures}
    return figures + [
        figure_of_share
        for figure_of_share in share_figures(answers, ("accuracy", "macro_f1", *named))
        if figure_of_share.name not in known
    ]


STEP = Step(Config, "Training", _run)
