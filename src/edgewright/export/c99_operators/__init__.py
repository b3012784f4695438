"""How operators are written as C99. Every module of this folder is a family, found by name.

`operator` registers the writer of float operators of the graph, `kernel` that of a kind of integer operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from edgewright.core import catalogue
from edgewright.core.errors import ExportError, UnknownNameError
from edgewright.core.operators import where
from edgewright.core.records.network import Array, IntegerOperator, IntegerValue, Node
from edgewright.export.c99_code.source import Leaf, Source
from edgewright.export.c99_code.unit import Unit


@dataclass(frozen=True)
class Spot:
    """A float operator with what stands around it; one sample, batch axis of 1 included in every shape.

    Attributes:
        unit: where code goes.
        node: of the graph.
        inputs: None for one left out.
        constants: for each input, its array where it is constant.
        shape: of the output.
        kind: type of the output as NumPy names it.
        spent: whether nobody reads the first input's memory after the operator.
    """

    unit: Unit
    node: Node
    inputs: tuple[Source | None, ...]
    constants: tuple[Array | None, ...]
    shape: tuple[int, ...]
    kind: str
    spent: bool = False

    def source(self, index: int) -> Source:
        """Return an input that is there.

        Raises:
            InputError: when it is left out.
        """
        given = self.inputs[index]
        if given is None:
            raise ExportError(f"input {index}", "none", where(self.node))
        return given


@dataclass(frozen=True)
class Site:
    """An integer operator with what stands around it.

    Attributes:
        unit: where code goes.
        operator: to write.
        values: of the inputs, and of the output as the last.
        inputs: bytes of the inputs, in order, in buffers.
        spent: whether nobody reads the first input's memory after the operator.
    """

    unit: Unit
    operator: IntegerOperator
    values: tuple[IntegerValue, ...]
    inputs: tuple[Source, ...]
    spent: bool = False

    @cached_property
    def output(self) -> Source:
        """Memory for the result, taken when first asked for."""
        return self.unit.fresh(self.target.shape, "int8")

    def taken_over(self) -> Source:
        """Return the output within the memory of the first input where that is spent and long enough, else anew."""
        size, buffer = math.prod(self.target.shape), self.inputs[0].leaves[0].buffer
        if not self.spent or buffer.size < size:
            return self.output
        base = self.inputs[0].leaves[0].base
        # Its bytes become others than the numbers of 16 bits beside them.
        self.unit.wide.pop(buffer.key, None)
        view = base[:size].reshape(self.target.shape)
        return Source(self.target.shape, "int8", (Leaf(buffer, base, view),), "{0}")

    @property
    def target(self) -> IntegerValue:
        """The output's grid and shape."""
        return self.values[-1]

    def name(self, index: int = 0) -> str:
        """Name of an input's buffer."""
        return self.inputs[index].leaves[0].buffer.name

    @property
    def result(self) -> str:
        """Name of the output's buffer."""
        return self.output.leaves[0].buffer.name

    def step(self, lines: list[str]) -> None:
        """Append code that reads the inputs and write the output."""
        self.unit.step(lines, self.inputs, (self.output,))


@dataclass(frozen=True)
class Part:
    """A part of a state: its name, how many bytes, and what each of them begins as in C."""

    name: str
    size: int
    first: str


@dataclass(frozen=True)
class Recurrence:
    """How an integer operator with a state is written.

    Attributes:
        parts: of its state.
        lines: (site, names of the parts, samples) -> the loop over samples that changes them and gives the result.
    """

    parts: Callable[[Site], tuple[Part, ...]]
    lines: Callable[[Site, Sequence[str], int], list[str]]


FloatWriter = Callable[[Spot], Source]
# A writer gives a value back only where its output is the memory of an input.
IntegerWriter = Callable[[Site], Source | None]
operator = catalogue.Registry[FloatWriter](__name__)
"""Registers the writer of float operators, as ONNX calls them."""
kernel = catalogue.Registry[IntegerWriter](__name__)
"""Registers the writer of kinds of integer operators."""
recurrence = catalogue.Registry[Recurrence](__name__)
"""Registers how kinds of integer operators with a state work on a stream."""


def write_float(spot: Spot) -> Source:
    """Return the output of a float operator.

    Raises:
        UnknownNameError: for an operator that has no C form.
    """
    floats = operator.known
    if spot.node.op not in floats:
        raise UnknownNameError("operator for C", spot.node.op, floats, where(spot.node))
    spot.unit.work = spot.node.op
    return floats[spot.node.op](spot)


def write_integer(site: Site) -> Source:
    """Return the output of an integer operator.

    Raises:
        UnknownNameError: for a kind that has no C form.
    """
    integers = kernel.known
    if site.operator.kind not in integers:
        raise UnknownNameError("integer operator for C", site.operator.kind, integers)
    site.unit.work = site.operator.kind
    return integers[site.operator.kind](site) or site.output
