"""Long sums: what an engine loses that adds one term to the other is no disagreement, a wrong sum is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from benchmarks import HAPT
from numpy.typing import NDArray

from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.core.records.proof import ProofRecord
from edgewright.features.statistics import MEASURES, Moments
from edgewright.graph.builder import Builder, Term, largest, mean, reshape, sqrt
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.proof.tolerance import PREDICTION, Form, Samples, Stages
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.subject import Chosen, subject_of
from edgewright.workflows.proof.workflow import prove_place
from support import ROOT, shared_data

STAGE = "stage"
# As many sizes of an impulse.
IMPULSES = 200
Floats = NDArray[np.float32]


def graph_of(samples: int, formula: Callable[[Term], Term]) -> Graph:
    """Return a graph of one stage over one channel."""
    builder = Builder("sums", (1, samples))
    term = formula(Term(builder, builder.input))
    builder.stage(STAGE, term.name)
    builder.boundary(term.name)
    end = largest(largest(term, 2), 1, keep=True)
    return builder.finish({PREDICTION: (end.name, "float32", (1,))})


def form_of(name: str, graph: Graph, *, sequential: bool = False, factor: float = 1.0) -> Form:
    """Return a form that adds as NumPy does or one term to the other, and whose means are wrong by a factor."""

    def added(keep: bool) -> Callable[[Floats, NDArray[np.int64]], Floats]:
        def run(x: Floats, axes: NDArray[np.int64]) -> Floats:
            (axis,) = axes.tolist()
            reduced = (
                np.cumsum(x, axis, dtype=np.float32).take([-1], axis) if sequential else x.sum(axis, keepdims=True)
            )
            reduced = np.asarray(reduced / np.float32(x.shape[axis]) * np.float32(factor), np.float32)
            return reduced if keep else reduced.squeeze(axis)

        return run

    ops = {"MeanKept": added(keep=True), "Mean": added(keep=False)}
    nodes = [
        msgspec.structs.replace(node, op="MeanKept" if node.attributes["keepdims"] else "Mean")
        if node.op == "ReduceMean"
        else node
        for node in graph.nodes
    ]
    value = graph.stages[0].value
    run = compile_graph(msgspec.structs.replace(graph, nodes=tuple(nodes)), (value, PREDICTION), own=ops)

    def stages(samples: Samples, _: Samples) -> Stages:
        values = run(samples)
        return {STAGE: values[value], PREDICTION: values[PREDICTION]}

    return Form(name, "float", stages)


def proven(graph: Graph, samples: Floats, constructed: int, **wrong: float) -> ProofRecord:
    """Return the proof of an engine that adds one term to the other; the last samples are constructed."""
    odd = np.arange(len(samples)) >= len(samples) - constructed if constructed else None
    chosen = Chosen(samples, tuple(f"sample {n}" for n in range(len(samples))), "windows", constructed=odd)
    forms = [form_of("blocks", graph), form_of("one by one", graph, sequential=True, **wrong)]
    return prove_subject(subject_of("sums", {"float": graph}), "sums", chosen, forms)


def sounds(samples: int) -> Floats:
    """Return words that are followed by noise so quiet that each of its squares is rounded away."""
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, (20, 1, samples)) * np.where(np.arange(samples) < samples // 4, 1.0, 5e-3)
    return np.asarray(values, np.float32)


def loudness(x: Term) -> Term:
    normalised: Term = x / sqrt(mean(x * x, 2, keep=True) + 1e-6)
    return normalised


def skewness(x: Term) -> Term:
    skewness: Term = reshape(MEASURES["skewness"](Moments(x, np.full((1, 1), 1e-6, np.float32), 128)), (0, 1, 1))
    return skewness


def impulses(samples: int) -> Floats:
    values = np.random.default_rng(6).normal(0, 1, (20 + IMPULSES, 1, samples))
    values[20:] = 0
    values[20:, 0, 0] = np.geomspace(1, 1000, IMPULSES)
    return np.asarray(values, np.float32)


CASES = [(loudness, sounds, 6000, 0), (skewness, impulses, 128, IMPULSES)]


@pytest.mark.parametrize(("formula", "make_samples", "samples", "constructed"), CASES)
def test_what_a_sum_loses_one_by_one_is_allowed(
    formula: Callable[[Term], Term], make_samples: Callable[[int], Floats], samples: int, constructed: int
) -> None:
    graph, x = graph_of(samples, formula), make_samples(samples)
    stages = [form.run(x, x)[STAGE] for form in (form_of("a", graph), form_of("b", graph, sequential=True))]
    deviation = np.abs(stages[0] / stages[1] - 1)
    assert deviation.max() > 1e-5, "the case shows what it is for"
    record = proven(graph, x, constructed)
    assert record.passed, record.breaks


@pytest.mark.parametrize(("formula", "make_samples", "samples", "constructed"), CASES)
@pytest.mark.parametrize("factor", [1.001, 0.999])
def test_a_mean_that_is_wrong_by_a_thousandth_is_found(
    formula: Callable[[Term], Term],
    make_samples: Callable[[int], Floats],
    samples: int,
    constructed: int,
    factor: float,
) -> None:
    record = proven(graph_of(samples, formula), make_samples(samples), constructed, factor=factor)
    assert not record.passed and record.breaks is not None and record.breaks.stage == STAGE


def test_what_a_sum_loses_before_the_network_is_allowed_behind_it() -> None:
    """One sound at many levels is the same behind the stage: answers have no range that would allow anything."""
    builder = Builder("sums", (1, 6000))
    term = loudness(Term(builder, builder.input))
    builder.stage(STAGE, term.name)
    builder.boundary(term.name)
    weights = np.abs(np.random.default_rng(2).normal(0, 1, (6000, 1))).astype(np.float32)
    end = builder.op("MatMul", reshape(term * term, (0, 6000)).name, builder.constant(weights))
    graph = builder.finish({PREDICTION: (end, "float32", (1,))})
    x = sounds(6000)[:1] * np.geomspace(0.5, 2, 40, dtype=np.float32)[:, None, None]
    answers = [form.run(x, x)[PREDICTION] for form in (form_of("a", graph), form_of("b", graph, sequential=True))]
    assert np.abs(answers[0] / answers[1] - 1).max() > 2e-5, "the case shows what it is for"
    assert proven(graph, x, 0).passed
    assert not proven(graph, x, 0, factor=1.001).passed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pipeline", "folder", "rows", "changes"),
    [(HAPT, "har-hapt", 200, ()), (str(ROOT / "docs" / "examples" / "digits.toml"), "fsdd", 60, ('synthetic=""',))],
)
def test_correct_models_are_proven(
    pipeline: str, folder: str, rows: int, changes: tuple[str, ...], tmp_path: Path
) -> None:
    """All engines over the rows of which one impulse, or most sounds, had been taken for a difference."""
    config = read_config(pipeline, ("training.epochs=1", "refit=false", *(f"training.{text}" for text in changes)))
    result = run_pipeline(config, data=str(shared_data(folder)), out=tmp_path)
    record = prove_place(str(result.folder), rows=rows)
    assert record.passed, record.breaks
