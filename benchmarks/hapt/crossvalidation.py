"""Leaving people out: every fold goes the product's own way, from raw windows to int8 ONNX in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from benchmarks import HAPT
from benchmarks.hapt.answers import Answers, Text
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import DataSet
from edgewright.core.records.network import Graph
from edgewright.data.load import load_data
from edgewright.pipeline.config import read_config
from edgewright.pipeline.fitting import Flow, fit_stages, graph_of
from edgewright.pipeline.learning import learn
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.package.variants import answering, make_forms
from edgewright.pipeline.plan import data_plan, resolve
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import Job

Changes = tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """Answers to the windows of the people left out, by form ('float', 'int8')."""

    left_out: tuple[str, ...]
    forms: dict[str, Answers]


def others(data: str, config: PipelineConfig) -> DataSet:
    """Return the recordings of everybody but the people who evaluate: those are dropped before a window is cut."""
    dataset = load_data(config.data, seed=config.seed, path=data)
    test_groups = set(config.split.test_groups)
    kept = tuple(
        r for r in dataset.recordings if r.groups is not None and not test_groups.intersection(r.groups.tolist())
    )
    return msgspec.structs.replace(dataset, recordings=kept)


def people_of(dataset: DataSet) -> list[str]:
    """Return names of the people, in the order of their numbers."""
    names = {str(name) for r in dataset.recordings if r.groups is not None for name in np.unique(r.groups)}
    return sorted(names, key=int)


@dataclass(frozen=True)
class Trained:
    """What was learned without some people: the settings, the windows of all, and what came of those of the others."""

    config: PipelineConfig
    job: Job
    material: Material
    flow: Flow
    model: Any
    graph: Graph


def train_without(
    dataset: DataSet, changes: Changes, left_out: tuple[str, ...], seed: int, pipeline: str = HAPT
) -> Trained:
    """Train a shipped pipeline on the other people.

    Args:
        dataset: recordings of the people who do not evaluate.
        changes: of the shipped pipeline, as with `--set`.
        left_out: people who are answered for; theirs is the test side.
        seed: of the run.
        pipeline: shipped name.
    """
    config = read_config(pipeline, changes)
    split = msgspec.structs.replace(config.split, test_groups=left_out)
    config = msgspec.structs.replace(config, seed=seed, split=split)
    job = Job(resolve(config), Listener())
    material = prepare(data_plan(config), None, dataset)
    flow = fit_stages(
        material.samples, material.fitted_on, job.plan.stages, material.task, config.seed, material.extra, job.card
    )
    model = learn(job, material, flow)
    graph = graph_of([*flow.steps, ("model", model)], tuple(material.samples.X.shape[1:]), config.name)
    return Trained(config, job, material, flow, model, graph)


def groups_left_out(dataset: DataSet, seed: int, every: int, only: int | None) -> list[tuple[str, ...]]:
    """So many people at a time, in an order of chance where they are several; the first `only` groups."""
    people = people_of(dataset)
    order = np.random.default_rng(seed).permutation(people) if every > 1 else np.asarray(people)
    return [tuple(str(name) for name in order[i : i + every]) for i in range(0, len(order), every)][:only]


def one_fold(dataset: DataSet, changes: Changes, left_out: tuple[str, ...], seed: int, pipeline: str = HAPT) -> Fold:
    """Train on the other people, as `train_without`, and answer for those left out."""
    fitted = train_without(dataset, changes, left_out, seed, pipeline)
    samples, test = fitted.material.samples, fitted.material.sides.test
    truth, people = np.asarray(samples.y[test]), np.asarray(samples.groups)[test]
    labels = np.asarray(fitted.graph.labels)
    forms = {}
    for form in make_forms(fitted.config.compression, fitted.graph, fitted.material):
        answer: Text = labels[np.argmax(answering(form.model)(samples.X[test]), axis=1)]
        forms[form.name] = Answers(truth, answer, people)
    return Fold(left_out, forms)


def cross_validate(
    data: str,
    *,
    changes: Changes = (),
    seed: int,
    every: int = 1,
    only: int | None = None,
    report_line: Callable[[str], None] = lambda line: None,
    pipeline: str = HAPT,
) -> dict[str, Answers]:
    """Return answers to the windows of everybody, each given by a network that has not seen the person.

    Args:
        data: folder of the set.
        changes: of the shipped pipeline, as with `--set`.
        seed: of the runs.
        every: people left out at a time.
        only: number of folds that are run, all when None.
        report_line: hears a line a fold.
        pipeline: shipped name.
    """
    dataset = others(data, read_config(pipeline, changes))
    folds: list[Fold] = []
    for left_out in groups_left_out(dataset, seed, every, only):
        fold = one_fold(dataset, changes, left_out, seed, pipeline)
        folds.append(fold)
        answers = fold.forms["int8"]
        report_line(
            f"person {', '.join(fold.left_out)}: {np.mean(answers.truth == answers.answer):.3f} of {len(answers.truth)}"
        )
    return {
        name: Answers(
            *(np.concatenate([getattr(f.forms[name], part) for f in folds]) for part in ("truth", "answer", "people"))
        )
        for name in folds[0].forms
    }
