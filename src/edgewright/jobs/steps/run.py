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
from edgewright.schema.trace import EvaluationRecord, Interval, Trace


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
    made = (f"training.synthetic={work.out / config.synthetic}",) if config.synthetic else ()
    pipeline = work.pipeline(config.pipeline, (*config.set, *made))
    told = (*work.changes, *config.set, *((f"training.synthetic={config.synthetic}",) if made else ()))
    command = " ".join(["edgewright run", config.pipeline, *(f"--set {shlex.quote(change)}" for change in told)])
    data = str(work.out / config.data) if config.data else work.data_of(pipeline)
    result = run_pipeline(pipeline, data=data, out=work.out, listener=work.listener, command=command)
    if result.package is None:
        raise CheckFailedError(f"the run {pipeline.name} has no package: {result.refused}")
    work.runs[config.name or config.kind] = Ran(pipeline, result.folder, data)
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
    made = [] if trace.evaluation is None else _judged(trace.evaluation, classes)
    forms = trace.compression.variants if trace.compression else ()
    shipped = "int8" if any(form.name == "int8" for form in forms) else "float"
    for form in forms:
        if form.name == "int8" and form.accuracy is not None:
            made.append(_share("int8_accuracy", "accuracy in int8", form.accuracy))
        if form.name != shipped:
            continue
        made.append(JobFigure(name="weights", title=f"{form.name} weights", value=form.weight_bytes, unit="B"))
        if form.device_flash is not None:
            made.append(
                JobFigure(
                    name="flash", title="whole program, estimated", value=form.device_flash.value,
                    interval=form.device_flash, unit="B",
                )
            )  # fmt: skip
    return tuple(made)


def _judged(record: EvaluationRecord, classes: Sequence[str]) -> list[JobFigure]:
    made = [
        _share(name, title, interval)
        for name, title, interval in (
            ("accuracy", "accuracy", record.accuracy),
            ("macro_f1", "macro F1", record.macro_f1),
        )
        if interval is not None
    ]
    made += [
        JobFigure(name=name, title=measure_word(name), value=value, interval=record.intervals.get(name), unit="1")
        for name, value in record.regression.items()
    ]
    groups = [(row.accuracy, row.group) for row in record.groups if row.accuracy is not None]
    if len(groups) > 1:
        worst, name = min(groups)
        made.append(JobFigure(name="worst", title=f"accuracy of the worst of {len(groups)}: {name}", value=worst))
    named = class_names(record.labels, classes, "classes of the step")
    judged = judged_of(record.labels, record.groups, record.samples)
    if judged is None:
        shares = {row.label: row.f1 for row in record.classes}
        made += [
            JobFigure(name=name, title=f"F1 of {label}", value=shares[label])
            for name, label in zip(named, classes, strict=True)
        ]
        return made + error_figures(record.groups)
    known = {figure.name for figure in made}
    return made + [one for one in share_figures(judged, ("accuracy", "macro_f1", *named)) if one.name not in known]


def _share(name: str, title: str, interval: Interval) -> JobFigure:
    return JobFigure(name=name, title=title, value=interval.value, interval=interval)


STEP = Step(Config, "Training", _run)
