"""A whole pipeline as one .tflite file: raw row or window in, answers out. See docs/adr/0016."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.export._tflite_builder import TfliteBuilder
from edgewright.export._tflite_network import append_network, value_tensor
from edgewright.export._tflite_plan import Plan, plan_whole
from edgewright.export.tflite_graph_operators import Site, write
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork, IntegerValue

# Metadata of a graph that a file carries too.
_PREFIX = "edgewright."


@dataclass(frozen=True)
class Whole:
    """A file with where its values are.

    Attributes:
        builder: that holds the tensors and operators.
        source: tensor of the input, float32.
        outputs: tensors of the public outputs, in the graph's order.
        values: tensor of each float value of the graph that is computed outside the network, by its name.
        layers: tensor of each value of the network, by its number; empty without one.
    """

    builder: TfliteBuilder
    source: int
    outputs: tuple[int, ...]
    values: dict[str, int]
    layers: dict[int, int]

    def model(self, shown: Iterable[int] = ()) -> bytes:
        """The file's bytes; `shown` tensors become further outputs."""
        more = [tensor for tensor in dict.fromkeys(shown) if tensor not in (*self.outputs, self.source)]
        return self.builder.finish((self.source,), (*self.outputs, *more))


def write_whole(graph: Graph, network: IntegerNetwork | None) -> Whole:
    """Writes a pipeline, one sample a run.

    The input is float32 in the graph's shape with a batch axis of 1, missing values included; outputs have the
    graph's names, whole numbers are int32.

    Args:
        graph: whole.
        network: what stands between its boundary and its raw outputs, of integers or float; None for a graph of which
            every operator is written as it is.

    Raises:
        InputError: naming the operator and the node that .tflite cannot hold.
    """
    plan = plan_whole(graph, network)
    return _Writer(graph, network, plan).write()


class _Writer:
    def __init__(self, graph: Graph, network: IntegerNetwork | None, plan: Plan) -> None:
        self.graph, self.network, self.plan = graph, network, plan
        self.builder = TfliteBuilder(graph.name, _metadata(graph))
        self.tensors: dict[str, int] = {}
        self.layers: dict[int, int] = {}
        self._boundary = plan.alias.get(graph.boundary, graph.boundary)

    def write(self) -> Whole:
        source = self.graph.inputs[0]
        first = self.builder.tensor((1, *source.shape), "float32", name=source.name)
        self.tensors[source.name] = first
        self._nodes(before=True)
        if self.network is not None:
            self._network(self.network)
        self._nodes(before=False)
        outputs = []
        for value in self.graph.outputs:
            name = self.plan.alias.get(value.name, value.name)
            if name not in self.tensors:
                self.tensors[name] = self.builder.constant(self.plan.constants[name])
            self.builder.name(self.tensors[name], value.name)
            outputs.append(self.tensors[name])
        named = {name: self.tensors[other] for name, other in self.plan.alias.items() if other in self.tensors}
        return Whole(self.builder, first, tuple(outputs), {**named, **self.tensors}, self.layers)

    def _nodes(self, *, before: bool) -> None:
        plan = self.plan
        for node in plan.before if before else plan.after:
            write(Site(self.builder, node, self.tensors, plan.sample, plan.constants, plan.missing))

    def _network(self, network: IntegerNetwork) -> None:
        """The network, with QUANTIZE and DEQUANTIZE around it where it is one of integers."""
        boundary = self.tensors[self._boundary]
        first, last = network.values[network.input], network.values[network.output]
        if first.scale:
            self.layers[network.input] = value_tensor(self.builder, first)
            held = self._held(boundary, first)
            self.builder.operator("QUANTIZE", 1, (held,), (self.layers[network.input],), schema.QuantizeOptionsT())
        else:
            self.layers[network.input] = boundary
        append_network(self.builder, network, self.layers)
        raw = self.layers[network.output]
        if last.scale:
            raw = self._step("DEQUANTIZE", (raw,), (1, *last.shape), version=2)
        self.tensors[self.plan.end] = self._graph_layout(raw, last)

    def _held(self, value: int, grid: IntegerValue) -> int:
        """A value that QUANTIZE rounds as we do: missing ones as 0, and none so far out that whole numbers overflow."""
        shape = (1, *grid.shape)
        if self._boundary in self.plan.missing:
            away = self.builder.tensor(shape, "bool")
            self.builder.operator("NOT_EQUAL", 1, (value, value), (away,), schema.NotEqualOptionsT())
            parts = (away, self.builder.number(0.0), value)
            value = self._step("SELECT_V2", parts, shape, schema.SelectV2OptionsT())
        if self.plan.limited:
            return value
        # A step beyond the grid at either end, so that nothing on it is touched.
        low, high = ((end - grid.zero) * grid.scale for end in (-129, 128))
        for name, limit in (("MAXIMUM", low), ("MINIMUM", high)):
            value = self._step(name, (self.builder.number(limit), value), shape, schema.MaximumMinimumOptionsT())
        return value

    def _graph_layout(self, value: int, grid: IntegerValue) -> int:
        """Raw outputs as the graph has them: channels before height and width."""
        wanted = tuple(self.plan.sample[self.plan.end].shape)
        shape = (1, *grid.shape)
        if len(shape) == 4:
            order = self.builder.constant(np.asarray((0, 3, 1, 2), np.int32))
            shape = tuple(shape[i] for i in (0, 3, 1, 2))
            value = self._step("TRANSPOSE", (value, order), shape, schema.TransposeOptionsT())
        if shape != wanted:
            options = schema.ReshapeOptionsT()
            options.newShape = list(wanted)
            lengths = self.builder.constant(np.asarray(wanted, np.int32))
            value = self._step("RESHAPE", (value, lengths), wanted, options)
        return value

    def _step(
        self,
        op: str,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        options: object = None,
        version: int = 1,
    ) -> int:
        made = self.builder.tensor(shape, "float32")
        self.builder.operator(op, version, inputs, (made,), options)
        return made


def _metadata(graph: Graph) -> dict[str, str]:
    """Labels, and what the graph carries under its own prefix: declared input ranges, the rounding."""
    made = {key: text for key, text in graph.metadata.items() if key.startswith(_PREFIX)}
    if graph.labels:
        made[f"{_PREFIX}labels"] = json.dumps(graph.labels, ensure_ascii=False)
    return dict(sorted(made.items()))
