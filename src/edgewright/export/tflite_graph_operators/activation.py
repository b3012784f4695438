"""Limits and softmax."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_graph_operators import Site, says
from edgewright.export.tflite_graph_operators._shapes import reshaped
from edgewright.runtime.operators._attributes import integer, number
from edgewright.schema.errors import InputError


@says("Relu")
def relu(site: Site) -> None:
    """RELU, in which a missing number stays one."""
    site.finish(site.step("RELU", (site.tensor(),)))


@says("LeakyRelu")
def leaky_relu(site: Site) -> None:
    """LEAKY_RELU."""
    options = schema.LeakyReluOptionsT()
    options.alpha = number(site.node, "alpha", 0.01)
    site.finish(site.step("LEAKY_RELU", (site.tensor(),), options))


@says("Clip")
def clip(site: Site) -> None:
    """MAXIMUM with the lower limit, MINIMUM with the upper one.

    The limit stands first: both kernels are `a > b ? a : b`, so that a missing number, which is second, stays one.
    """
    made = site.tensor()
    for index, name in ((1, "MAXIMUM"), (2, "MINIMUM")):
        if site.given(index):
            made = site.step(name, (site.tensor(index), made), schema.MaximumMinimumOptionsT())
    site.finish(made)


@says("Softmax")
def softmax(site: Site) -> None:
    """SOFTMAX, which .tflite has over the last axis."""
    rank = len(site.shape)
    if integer(site.node, "axis", -1) % rank != rank - 1:
        raise InputError("softmax over the last axis", f"axis {integer(site.node, 'axis', -1)}", site.where)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    site.finish(site.step("SOFTMAX", (site.tensor(),), options))


@says("ArgMax", "ArgMin")
def place_of_extreme(site: Site) -> None:
    """ARG_MAX or ARG_MIN as int32, the first of equals."""
    node, rank = site.node, site.source().ndim
    if integer(node, "select_last_index", 0):
        raise InputError("the first of equal values", "the last", site.where)
    axis = integer(node, "axis", 0) % rank
    options = schema.ArgMaxOptionsT() if node.op == "ArgMax" else schema.ArgMinOptionsT()
    options.outputType = schema.TensorType.INT32
    bare = tuple(n for i, n in enumerate(site.source().shape) if i != axis)
    made = site.step(
        "ARG_MAX" if node.op == "ArgMax" else "ARG_MIN",
        (site.tensor(), site.builder.constant(np.asarray(axis, np.int32))),
        options,
        shape=bare,
        kind="int32",
    )
    site.finish(reshaped(site, made, bare))
