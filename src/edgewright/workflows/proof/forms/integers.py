"""The integer reference: what every other form of ours must equal, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.samples import Ranges, flagged
from edgewright.core.integer.network import run_values, to_integers, to_reals
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.graph.extract import layers, network_values, preprocessing
from edgewright.proof.tolerance import BYTES, RANDOM_BYTES, RANGE, Form, Samples, Stages
from edgewright.workflows.proof.forms import Forms, Run, Subject
from edgewright.workflows.proof.stages import boundary_value, in_a_row, layer_layout, renamed, shapes, tail

# Values that an integer network computes of drawn bytes at most, about, and rows of them.
_VALUES, _MIN_ROWS, _MAX_ROWS = 4_000_000, 16, 256


def _make(subject: Subject) -> Iterator[Form]:
    if subject.network is None:
        if "int8" in subject.graphs:
            subject.missing("integer reference", "the int8 form has no network of integers after its boundary")
        return
    graph, files = subject.graphs["int8"], subject.source("int8")
    run = run_reference(graph, subject.network, subject.ranges)
    yield Form(name="integer reference", numbers="int8", run=run, labels=graph.labels, files=files)


def run_reference(graph: Graph, network: IntegerNetwork, ranges: Ranges) -> Run:
    """Return a function that gives every stage of a quantised graph by its network of integers."""

    def run(samples: Samples, boundary: Samples) -> Stages:
        stages = preprocessing(graph)
        outputs = renamed(compile_graph(graph, tuple(stages.values()))(samples), stages) if stages else {}
        integers = to_integers(network.values[network.input], boundary_value(graph, samples))
        inside = network_stages(graph, network, integers, samples)
        random_bytes = run_values(network, drawn_rows(network, len(samples)))[network.output]
        after = drawn_stage(random_bytes, len(samples))
        return {RANGE: flagged(samples, ranges), **outputs, **inside, **after}

    return run


def drawn_rows(network: IntegerNetwork, count: int) -> NDArray[np.int8]:
    """Return drawn bytes, one row a sample at most: layers also meet values that no sample brings them.

    A third of the rows hold only the ends of the range and the values about 0, and the first ones one value each.

    Args:
        network: whose input the rows have the shape of.
        count: of samples; row i is the same for any count.
    """
    given = network.values[network.input]
    size = sum(int(np.prod(value.shape)) for value in network.values)
    generator = np.random.default_rng(0)
    rows = generator.integers(-128, 128, (int(np.clip(_VALUES // size, _MIN_ROWS, _MAX_ROWS)), *given.shape))
    rows[1::3] = generator.choice([-128, -127, -1, 0, 1, 126, 127], rows[1::3].shape)
    rows[:3] = np.array([given.zero, -128, 127]).reshape(-1, *(1,) * len(given.shape))
    return rows[:count].astype(np.int8)


def drawn_stage(outputs: NDArray[np.int8], count: int) -> Stages:
    """Return raw outputs of drawn rows, channels last, as a stage of so many samples."""
    return {RANDOM_BYTES: outputs.reshape(len(outputs), -1)[np.arange(count) % len(outputs)]}


def network_stages(graph: Graph, network: IntegerNetwork, integers: NDArray[np.int8], samples: Samples) -> Stages:
    """Return bytes at the boundary, every layer, and what the graph makes of the raw output."""
    values = run_values(network, integers)
    forms = shapes(graph, network_values(graph, network))
    stages: Stages = {BYTES: integers}
    for stage, number in layers(network).items():
        stages[stage] = layer_layout(network, number, values[number], forms.get(stage, values[number].shape[1:]))
    raw = to_reals(network.values[network.output], values[network.output])
    return {**stages, **tail(graph, network)(in_a_row(raw), samples)}


def shapes_of(subject: Subject) -> dict[str, tuple[int, ...]]:
    """Stage of the int8 network -> shape of one sample in the graph."""
    graph = subject.graphs["int8"]
    return shapes(graph, network_values(graph, subject.network))


FORMS = Forms(rank=15, make=_make)
