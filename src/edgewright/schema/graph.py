"""A graph in the dialect: plain ai.onnx operators over named values."""

from __future__ import annotations

from typing import Any

import msgspec
from numpy.typing import NDArray

OPSET = 18
Attribute = int | float | str | tuple[int, ...] | tuple[float, ...]
Array = NDArray[Any]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """An input or output: its name, its dtype as NumPy names it, and its shape without the batch axis."""

    name: str
    dtype: str = "float32"
    shape: tuple[int, ...] = ()


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One operator: `inputs` and `outputs` are value names; an empty input name is an input left out."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute] = {}


class StageMark(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stage ends in the graph: its name and the value that carries its output."""

    stage: str
    value: str


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A whole pipeline or a network, batch axis first in every value.

    Attributes:
        name: name of the pipeline.
        inputs: one for our own pipelines.
        outputs: `label` (int64 index), `probabilities` and `confidence` for a classifier; `prediction` otherwise.
        nodes: in an order in which they can run.
        constants: initialisers by name.
        stages: ends of the stages, in order; what `prove` compares stage by stage.
        boundary: the value at which float preprocessing ends and the network begins; empty when there is no network.
        labels: names of the classes, in the order of the probabilities.
        metadata: further text that travels with the model.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    constants: dict[str, Array]
    stages: tuple[StageMark, ...] = ()
    boundary: str = ""
    labels: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
