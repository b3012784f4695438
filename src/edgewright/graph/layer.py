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
class Normalisation(Generic[L]):
    """What training does with a layer that normalises its sums by their mean and variance.

    Attributes:
        measure: (config, parameters, x) -> y normalised by its own samples, and the parameters with their mean and
            variance, in JAX: what a training step gives, and what `apply` takes afterwards.
        folded: (config, parameters) -> parameters without normalisation that give the same.
    """

    measure: Callable[[L, Parameters, Any], tuple[Any, Parameters]]
    folded: Callable[[L, Parameters], Parameters]


@dataclass(frozen=True)
class Layer(Generic[L]):
    """The one object `LAYER` of a layer's file; the file name is its `kind`. Shapes are without the batch axis.

    Attributes:
        config: the configuration's struct.
        out_shape: (config, shape in) -> shape out; raises `InputError` for an impossible shape.
        apply: (config, parameters, x of shape (batch, *shape in)) -> y of shape (batch, *shape out), in JAX.
        to_graph: (config, parameters as NumPy arrays, builder, value, shape in) -> value. Its operators decide which C
            and .tflite writers are used.
        formula: (config) -> how an output is computed, in plain text.
        integer: (config) -> whether all its operators have an integer form; a network with a layer that has none is
            refused before training, or becomes a float package where that is asked for.
        initialise: (config, shape in, generator) -> parameters as float32 arrays by name.
        macs: (config, shape in) -> multiply-accumulates an inference.
        activation: (config) -> the activation applied, 'linear' for none.
        training: (config, parameters, x, random key) -> y in a training step, where that is not what `apply` gives.
        between: `apply` with one more argument, a function that the value between its two halves goes through.
        normalisation: of a layer that normalises its sums in training where its configuration has `normalise = true`.
        gradient: (config, parameters, x, y, derivatives of the loss by y, arrays that take those by the parameters,
            whether those by x are needed) -> derivatives by x, all in NumPy; those by y may be overwritten. Of a layer
            whose `apply` also takes NumPy arrays.
        settled: (config) -> a configuration that a fitted network is built from without files, where that is another.
        frozen: (config, parameters) -> names of the parameters that training leaves as they are.
        width: key of the configuration that says how many channels come out; empty where as many come out as go in.
        search: what a search may do: make a network of such layers on 'rows', on 'windows' by kernels or by 'states',
            on 'pictures', leave the layer out ('free'), or, where empty, change its width alone.
        inputs: axis of the channels that come in, by name of the parameters that have one.
        outputs: the same of the channels that come out.
    """

    config: type[L]
    out_shape: Callable[[L, Shape], Shape]
    apply: Callable[[L, Parameters, Any], Any]
    to_graph: Callable[[L, Parameters, Builder, str, Shape], str]
    formula: Callable[[L], str]
    integer: Callable[[L], bool]
    initialise: Callable[[L, Shape, np.random.Generator], Parameters] = lambda config, shape, rng: {}
    macs: Callable[[L, Shape], int] = lambda config, shape: 0
    activation: Callable[[L], str] = lambda config: getattr(config, "activation", "linear")
    training: Callable[[L, Parameters, Any, Any], Any] | None = None
    between: Callable[[L, Parameters, Any, Callable[[Any], Any]], Any] | None = None
    normalisation: Normalisation[L] | None = None
    gradient: Callable[[L, Parameters, Any, Any, Any, Parameters, bool], Any] | None = None
    settled: Callable[[L], L] | None = None
    frozen: Callable[[L, Parameters], frozenset[str]] | None = None
    width: str = ""
    search: Literal["", "rows", "windows", "states", "pictures", "free"] = ""
    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)

    def normalises(self, config: L) -> Normalisation[L] | None:
        """Return what training does with the sums of a layer of a configuration; None where they stay as they are."""
        return self.normalisation if getattr(config, "normalise", False) else None
