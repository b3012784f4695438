"""`folds`: every person or machine left out once, judged by a fit on the others, before and after calibration."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.package import Package, read_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.data.load import load_data
from edgewright.data.samples import part_of
from edgewright.jobs.group_figures import GroupAnswers, class_names, over_groups, share_figures
from edgewright.jobs.steps import Ran, Step, StepConfig, Work
from edgewright.jobs.steps._left_out_alarms import AlarmTallies, LeftOutAlarms
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Samples
from edgewright.schema.errors import CheckFailedError, InputError
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.training.metrics import Numbers, confusion
from edgewright.workflows.adaptation.examples import Examples
from edgewright.workflows.adaptation.simulation import POINT, Rehearsal, confusions, rehearsal_of
from edgewright.workflows.scoring.rows import ScoreRequest
from edgewright.workflows.scoring.workflow import config_of, own_part


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Groups left out in turn.

    Attributes:
        run: step whose pipeline is fitted; the newest when empty.
        folds: fits; of the groups in the order of their names, every so manieth is left out together.
        first: seconds that each group labels first, where the package learns on the device; 0 for no calibration.
        classes: labels whose F1 is a figure of its own.
        alarms: of whole recordings of those left out; none when left out.
    """

    run: str = ""
    folds: Annotated[int, msgspec.Meta(ge=2)] = 4
    first: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    classes: tuple[str, ...] = ()
    alarms: LeftOutAlarms | None = None


class _Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group that was left out: counts of all its samples, of later ones before and after, and whether it learned."""

    name: str
    whole: Numbers
    later: Numbers | None = None
    learned: bool = False


def _folds(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    labels: tuple[str, ...] = ()
    judged_groups: list[_Group] = []
    names = _groups(ran, config.folds)
    alarms = None if config.alarms is None else AlarmTallies(config.alarms, ran, work)
    for fold in work.each("Leaving groups out", range(config.folds), config.folds):
        with tempfile.TemporaryDirectory(prefix="edgewright-folds-") as room:
            labels, some = _fold(config, ran, names[fold :: config.folds], Path(room), alarms)
        judged_groups += some
    judged_groups.sort(key=lambda group: group.name)
    classes = class_names(labels, config.classes, f"{work.folder.name} job.toml, classes")
    whole = GroupAnswers(
        labels, tuple(group.name for group in judged_groups), np.array([group.whole for group in judged_groups])
    )
    figures = share_figures(whole, ("accuracy", "macro_f1", *classes), extremes=True)
    says = [
        f"{plural(len(names), 'group')} in {config.folds} folds, each judged by a fit that has not seen it, in int8"
    ]
    if alarms is not None:
        more, sentences = alarms.figures()
        figures += more
        says += sentences
    calibrated = [group for group in judged_groups if group.later is not None]
    if config.first and len(calibrated) > 1:
        later, sentence = _calibrated(labels, calibrated, config, classes)
        figures += later
        says.append(sentence)
    return StepRecord(
        command=f"edgewright run {ran.config.name} --set split.test_groups=[...]  # {config.folds} times",
        says=tuple(says), figures=tuple(figures),
    )  # fmt: skip


def _groups(ran: Ran, folds: int) -> list[str]:
    """Return the names of the groups.

    Raises:
        InputError: fewer than the folds.
    """
    names = load_data(ran.config.data, seed=ran.config.seed, path=ran.data).groups
    if len(names) < folds:
        raise InputError(f"at least {folds} groups to leave out", str(len(names)), ran.config.name, "Set folds")
    return names


def _fold(
    config: Config, ran: Ran, left_out: list[str], room: Path, alarms: AlarmTallies | None
) -> tuple[tuple[str, ...], list[_Group]]:
    # A fit for these figures only: nothing is kept of it, and no loss of accuracy in int8 ends it.
    split = msgspec.structs.replace(ran.config.split, by="group", test_groups=tuple(left_out))
    pipeline: PipelineConfig = msgspec.structs.replace(
        ran.config, split=split, refit=False,
        compression=msgspec.structs.replace(ran.config.compression, max_drop=1.0),
    )  # fmt: skip
    result = run_pipeline(pipeline, data=ran.data, out=room, listener=Listener(), command="")
    if result.package is None:
        raise CheckFailedError(f"a fit without {', '.join(left_out)} has no package: {result.refused}")
    if alarms is not None:
        alarms.judge(result.folder, left_out)
    samples = own_part(result.folder, config_of(result.folder), ScoreRequest(), room)[0]
    package = read_package(package_path(result.folder))
    return package.manifest.labels, list(_judged_groups(config, package, samples))


def _judged_groups(config: Config, package: Package, samples: Samples) -> Iterator[_Group]:
    labels, predictor = np.asarray(package.manifest.labels), Predictor(package)
    rehearsal = rehearsal_of(package) if config.first else None
    assert samples.groups is not None  # noqa: S101 - `_groups` found them
    for name in np.unique(samples.groups).tolist():
        mine = part_of(samples, np.flatnonzero(samples.groups == name))
        truth = np.searchsorted(labels, np.asarray(mine.y).astype(str))
        X = np.ascontiguousarray(mine.X[:], np.float32)
        answers = predictor.predict(X)
        # An answer that is missing counts as none: a class of its own.
        predicted = np.where(answers.missing, len(labels), np.searchsorted(labels, answers.labels))
        whole = confusion(truth, predicted, len(labels) + 1)
        group = _Group(name=str(name), whole=whole)
        yield group if rehearsal is None else _calibrate(group, config.first, rehearsal, mine, truth, len(labels))


def _calibrate(group: _Group, first: float, rehearsal: Rehearsal, mine: Samples, truth: Numbers, labels: int) -> _Group:
    order, later = Examples(first, "first").parts(mine, truth)
    if not len(order) or not len(later):
        return group
    rehearsed = rehearsal(np.ascontiguousarray(mine.X[:], np.float32), truth, order)
    matrices = confusions(rehearsed, truth, later, labels)
    return msgspec.structs.replace(group, later=matrices, learned=rehearsed.used)


def _calibrated(
    labels: tuple[str, ...], groups: list[_Group], config: Config, classes: list[str]
) -> tuple[list[JobFigure], str]:
    """Return figures of later samples, before and after the first seconds were labelled, and a sentence."""
    names = tuple(group.name for group in groups)
    before, after = (GroupAnswers(labels, names, np.array([group.later[way] for group in groups])) for way in (0, 1))  # type: ignore[index]
    seconds = f"{config.first:g} s"
    figures = [
        *share_figures(before, ("accuracy", *classes), "later_", f"later than {seconds}, not calibrated: "),
        *share_figures(
            after, ("accuracy", "macro_f1", *classes), "calibrated_", f"calibrated by {seconds}: ", extremes=True
        ),
    ]
    gains = after.accuracies - before.accuracies
    mean = over_groups(
        "calibrated_mean", f"calibrated by {seconds}: accuracy, mean of groups", np.arange(len(names)),
        lambda rows: float(after.accuracies[rows].mean()), (0.0, 1.0),
    )  # fmt: skip
    losers = [name for name, gain in zip(names, gains.tolist(), strict=True) if gain < -POINT]
    figures += [mean, JobFigure.of("losers", "groups that lose more than a point", len(losers), "1")]
    lost = f"worse by more than a point: {', '.join(losers)}" if losers else "nobody loses more than a point"
    used = sum(group.learned for group in groups)
    return figures, f"The learned layer answers for {used} of {len(names)} groups after {seconds} of labels; {lost}"


STEP = Step(Config, "Each group left out", _folds)
