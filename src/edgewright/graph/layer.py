"""What every file of `models/nn` offers: one family of layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import msgspec
import numpy as np

from edgewright.graph.builder import Builder

Shape = tuple[int, ...]
Parameters = dict[str, Any]
Activation = Literal["linear", "relu", "sigmoid"]


class LayerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every layer's configuration: the table under `[[model.layers]]` without its `kind`."""


L = TypeVar("L", bound=LayerConfig)


@dataclass(frozen=True)
class Layer(Generic[L]):
    """The one object `LAYER` of a layer's file; the file name is its `kind`. Shapes are without the batch axis.

    Attributes:
        config: the configuration's struct.
        out_shape: (config, shape in) -> shape out; raises `InputError` for an impossible shape.
        initialise: (config, shape in, generator) -> parameters as float32 arrays by name.
        apply: (config, parameters, x of shape (batch, *shape in)) -> y of shape (batch, *shape out), in JAX.
        macs: (config, shape in) -> multiply-accumulates an inference.
        to_graph: (config, parameters as NumPy arrays, builder, value, shape in) -> value.
        formula: (config) -> how an output is computed, in plain text.
        activation: (config) -> the activation applied, 'linear' for none.
        training: (config, parameters, x, random key) -> y in a training step, where that is not what `apply` gives.
        between: `apply` with one more argument, a function that the value between its two halves goes through.
        width: key of the configuration that says how many channels come out; empty where as many come out as go in.
        inputs: axis of the channels that come in, by name of the parameters that have one.
        outputs: the same of the channels that come out.
    """

    config: type[L]
    out_shape: Callable[[L, Shape], Shape]
    initialise: Callable[[L, Shape, np.random.Generator], Parameters]
    apply: Callable[[L, Parameters, Any], Any]
    macs: Callable[[L, Shape], int]
    to_graph: Callable[[L, Parameters, Builder, str, Shape], str]
    formula: Callable[[L], str]
    activation: Callable[[L], str]
    training: Callable[[L, Parameters, Any, Any], Any] | None = None
    between: Callable[[L, Parameters, Any, Callable[[Any], Any]], Any] | None = None
    width: str = ""
    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)
