"""What a rule of `shaped` sees of a node: the lengths of its inputs, and those that do not depend on the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgewright.graph.draft import Chain, DraftNode, Rewritten
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """Inputs of a node, those left out as None or ().

    Attributes:
        node: of the draft.
        shapes: for the first batch length that is tried.
        others: for the second one; the same where the model has its batch fixed.
        constants: what does not depend on the data.
        fixed: length of the batch where the model has it fixed, else 0.
    """

    node: DraftNode
    shapes: tuple[Shape, ...]
    others: tuple[Shape, ...]
    constants: tuple[Array | None, ...]
    fixed: int = 0

    def constant(self, index: int, name: str) -> Array | None:
        """Return an input that does not depend on the data; None where it is left out.

        Raises:
            InputError: for one that does.
        """
        if len(self.node.inputs) <= index or not self.node.inputs[index]:
            return None
        if self.constants[index] is None:
            raise InputError(f"constant {name}", f"the computed value {self.node.inputs[index]!r}", self.node.where)
        return self.constants[index]

    def grows(self, index: int = 0) -> int:
        """Return the axis of an input that is the batch; -1 where none is seen to be.

        Of a model with a fixed batch it is the first one, if that has the batch's length.
        """
        if self.fixed:
            computed = self.constants[index] is None
            return 0 if computed and self.shapes[index][:1] == (self.fixed,) else -1
        pairs = zip(self.shapes[index], self.others[index], strict=True)
        return next((axis for axis, (a, b) in enumerate(pairs) if a != b), -1)


Rule = Callable[[Chain, DraftNode, Seen], Rewritten]
