"""Records of a network: the graph of float operators, and its integer form."""

from __future__ import annotations

from typing import Any, Literal

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


# 'litert': as LiteRT's reference kernels round; 'tflm': as TFLM and CMSIS-NN do; 'none': a float network in this form.
Rounding = Literal["litert", "tflm", "none"]


class IntegerValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value between operators: real = scale * (integer - zero).

    Attributes:
        shape: without the batch axis, channels last: (features,), (height, width, channels).
        scale: a float32 number; 0 where the value is float.
        zero: from -128 to 127.
    """

    shape: tuple[int, ...]
    scale: float = 0.0
    zero: int = 0


class IntegerOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator.

    Attributes:
        kind: of kernel, as registered in `core/kernels`.
        inputs: numbers of values.
        output: number of a value.
        activation: fused into the operator: 'relu', 'relu6' or nothing.
        low, high: smallest and largest integer of the output.
        numbers: further settings by name, as the kernel's file says.
        arrays: weights (int8), bias (int32), weight_scale (float32), multiplier and shift (int64), tables.
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    activation: Literal["", "relu", "relu6"] = ""
    low: int = -128
    high: int = 127
    numbers: dict[str, tuple[int, ...]] = {}
    arrays: dict[str, Array] = {}


class IntegerNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network from the boundary to its raw outputs.

    Attributes:
        name: name of the pipeline.
        rounding: which kernels the integers equal.
        values: by number.
        operators: in an order in which they can run.
        input: number of the value at the boundary, shaped as the graph has it: (features,) or (channels, samples).
        output: number of the raw outputs.
    """

    name: str
    rounding: Rounding
    values: tuple[IntegerValue, ...]
    operators: tuple[IntegerOperator, ...]
    input: int
    output: int
