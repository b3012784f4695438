"""`few_shot`: labels that come later, from a few examples each, without training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.core.neighbours.index_file import Neighbours, begin, write_index
from edgewright.core.predictor import package_path
from edgewright.data.load import WITHOUT, load_data
from edgewright.data.targets import as_text
from edgewright.jobs.steps import Ran, Step, StepConfig, Work
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.data import Samples
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.schema.package import Space
from edgewright.training.metrics import SHARE, mean_interval


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New labels: those that `[data] without` keeps from the run.

    Attributes:
        run: step whose package compares; the newest when empty.
        space: 'network' compares its last hidden layer, 'features' what comes before the model.
        shots: examples of a new label.
        labels: new at once, drawn anew each time.
        draws: how often.
    """

    run: str = ""
    space: Space = "network"
    shots: Annotated[int, msgspec.Meta(ge=1)] = 3
    labels: Annotated[int, msgspec.Meta(ge=2)] = 5
    draws: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200


def _few_shot(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    where = f"{work.folder.name} job.toml, few_shot"
    new = ran.config.data.get(WITHOUT)
    if not isinstance(new, list | tuple) or len(new) < config.labels:
        raise InputError(f"{config.labels} labels or more in [data] without", f"{len(new or ())}", ran.config.name)
    material = with_new_labels(ran)
    samples, sides = material.samples, material.sides
    package = package_path(judged_of(ran.folder))
    index = begin(package.read_bytes(), str(package), config.space)
    known = np.concatenate([sides.train, sides.validation])
    pools = {str(label): (_of(samples, known, label), _of(samples, sides.test, label)) for label in new}
    poor = [label for label, (given, judging) in pools.items() if len(given) < config.shots or not len(judging)]
    if poor:
        raise InputError(f"{config.shots} examples and one more that judges", f"fewer of {poor[0]}", where)
    with work.listener.doing("Learning new labels", config.draws) as advance:
        right = _draws(index, samples, pools, config, advance)
    shares = np.array([np.mean(right[label]) for label in right])
    figure = mean_interval(shares, "label", SHARE)
    worst = min(right, key=lambda label: float(np.mean(right[label])))
    folder = work.new_folder(config)
    write_index(folder / f"{ran.config.name}.neighbours", _taught(index, samples, pools, config.shots))
    return StepRecord(
        command=f"edgewright few-shot learn {ran.folder.name} --examples EXAMPLES --space {config.space} "
        "--out new.neighbours",
        says=(
            f"{plural(config.labels, 'new label')} at once from {plural(config.shots, 'example')} each, {config.draws} "
            f"draws of {len(right)} labels that the run never saw, asked on samples that judged it. By chance "
            f"{1 / config.labels:.3g} would be right.",
        ),
        figures=(
            JobFigure.of_interval("right", f"right of {config.labels} new labels", figure),
            JobFigure.of("worst", f"worst new label: {worst}", float(np.mean(right[worst]))),
        ),
        folder=folder.name,
    )  # fmt: skip


def with_new_labels(ran: Ran) -> Material:
    """Return what a run works on, with the labels that `[data] without` keeps from it; prepared once for all steps."""
    if ran.material is None:
        data = {key: value for key, value in ran.config.data.items() if key != WITHOUT}
        whole = replace(data_plan(ran.config), table=data)
        ran.material = prepare(whole, ran.data, load_data(data, seed=whole.seed, path=ran.data))
    return ran.material


def _of(samples: Samples, side: NDArray[np.int64], label: str) -> NDArray[np.int64]:
    return np.asarray(side[as_text(samples.y)[side] == label])


def _draws(
    index: Neighbours,
    samples: Samples,
    pools: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]],
    config: Config,
    advance: Callable[[int], None],
) -> dict[str, list[bool]]:
    """Return, of each label, whether the nearest example was right, draw after draw."""
    rows = np.unique(np.concatenate([part for pool in pools.values() for part in pool]))
    vectors = dict(zip(rows.tolist(), index.space().vectors(samples.X[rows]), strict=True))
    rng = np.random.default_rng(0)
    right: dict[str, list[bool]] = {label: [] for label in pools}
    for _ in range(config.draws):
        taught = index
        labels = rng.choice(sorted(pools), config.labels, replace=False).tolist()
        for label in labels:
            given = rng.choice(pools[label][0], config.shots, replace=False).tolist()
            taught = taught.added(label, np.stack([vectors[row] for row in given]))
        questions = [(label, row) for label in labels for row in pools[label][1].tolist()]
        answers = taught.answers(np.stack([vectors[row] for _, row in questions]), [""] * len(questions))
        for (label, _), answer in zip(questions, answers, strict=True):
            right[label].append(answer.nearest == label)
        advance(1)
    return right


def _taught(
    index: Neighbours, samples: Samples, pools: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]], shots: int
) -> Neighbours:
    """Return an index that knows all new labels by their first examples."""
    space = index.space()
    for label, (given, _) in pools.items():
        index = index.added(label, space.vectors(samples.X[given[:shots]]))
    return index


STEP = Step(Config, "New labels from a few examples", _few_shot)
