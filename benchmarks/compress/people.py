"""Forms of the shipped pipeline `hapt` on people never seen: cross-validation over the 16 who do not evaluate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import HAPT
from benchmarks.hapt.crossvalidation import Changes, groups_left_out, others, train_without
from edgewright.compression import qat
from edgewright.compression.int8 import quantise
from edgewright.compression.qat import Shaped
from edgewright.compression.retraining import finished, trained, with_parameters
from edgewright.core.records.data import DataSet
from edgewright.core.records.network import Graph
from edgewright.data.targets import as_text
from edgewright.graph.cost import cost
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.config import read_config
from edgewright.pipeline.package.variants import answering
from edgewright.workflows.compression.forms import Base, Maker
from edgewright.workflows.compression.subject import Pruning, Subject, Wanted

WANTED = Wanted(int8=True, qat=True, prune=(Pruning("structured", 0.5), Pruning("magnitude", 0.8)))
FOUR_BITS = 7  # the largest integer of 4 bits


@dataclass(frozen=True)
class Form:
    """Answers to the windows of people left out: whether right (n,), answers and people; and what the form costs."""

    right: NDArray[np.bool_]
    answers: NDArray[np.int64]
    people: NDArray[np.str_]
    macs: int


def one_fold(dataset: DataSet, changes: Changes, left_out: tuple[str, ...], seed: int) -> dict[str, Form]:
    """Train on the other people, makes every form, and answer for those left out.

    Args:
        dataset: recordings of the people who do not evaluate.
        changes: of the shipped pipeline, as with `--set`.
        left_out: people who are answered for.
        seed: of the run.
    """
    fold = train_without(dataset, changes, left_out, seed)
    subject = Subject(fold.config, fold.material, fold.graph, fold.flow, fold.model)
    maker = Maker(subject, WANTED, fold.job.listener)
    graphs: dict[str, tuple[Graph, int]] = {}
    for form in maker.forms():
        graphs[form.name] = (form.graph, cost(form.base.graph).network.macs)
        if form.name == "float":
            four, tuned = four_bits(subject, form.base, maker.epochs)
            graphs["4-bit weights"], graphs["4-bit weights, qat"] = (
                (four, graphs["float"][1]),
                (tuned, graphs["float"][1]),
            )
    return {name: _answered(subject, whole, macs) for name, (whole, macs) in graphs.items()}


def four_bits(subject: Subject, base: Base, epochs: int) -> tuple[Graph, Graph]:
    """Quantise weights to 4 bits in bytes, after training and trained with that rounding; activations are int8."""
    if base.model is None or base.lesson is None:
        raise ValueError("a run")
    features = subject.features(subject.calibration)
    raw = subject.material.samples.X[subject.calibration]
    after = quantise(base.graph, raw, per_channel="always", levels=FOUR_BITS)
    ranges = qat.find_ranges(base.model, features)
    rounding = qat.rounding_of(base.model, ranges, per_channel="always", levels=FOUR_BITS)
    apply = Shaped(base.model.network(), None, rounding)
    result = trained(base.model, base.lesson, apply, base.model.parameters_, epochs=epochs)
    tuned = with_parameters(base.model, finished(base.model, base.lesson, apply, result.parameters), base.model.layers)
    whole = subject.whole(tuned)
    return after, qat.as_trained(whole, ranges, features, tuned, per_channel="always", levels=FOUR_BITS)


def _answered(subject: Subject, graph: Graph, macs: int) -> Form:
    test, samples = subject.material.sides.test, subject.material.samples
    answers = np.argmax(answering(to_onnx(graph))(samples.X[test]), axis=1).astype(np.int64)
    truth = np.searchsorted(np.asarray(graph.labels), as_text(samples.y[test]))
    return Form(answers == truth, answers, np.asarray(samples.groups)[test].astype(np.str_), macs)


def cross_validate(
    data: str,
    *,
    changes: Changes = (),
    seed: int,
    every: int,
    only: int | None = None,
    report_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Form]:
    """Return answers to the windows of everybody, each by networks that have not seen the person.

    Args:
        data: folder of the set.
        changes: of the shipped pipeline, as with `--set`.
        seed: of the runs.
        every: people left out at a time.
        only: number of folds that are run, all when None.
        report_line: hears a line a fold.
    """
    dataset = others(data, read_config(HAPT, changes))
    folds = []
    for left_out in groups_left_out(dataset, seed, every, only):
        folds.append(one_fold(dataset, changes, left_out, seed))
        lost = {name: f"{f.right.mean():.4f}" for name, f in folds[-1].items()}
        report_line(f"people {', '.join(left_out)}: {lost}")
    return {
        name: Form(
            np.concatenate([fold[name].right for fold in folds]),
            np.concatenate([fold[name].answers for fold in folds]),
            np.concatenate([fold[name].people for fold in folds]),
            max(fold[name].macs for fold in folds),
        )
        for name in folds[0]
    }
