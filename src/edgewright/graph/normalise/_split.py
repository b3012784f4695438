"""Split becomes a Slice for each part; the length before it tells the parts where the model does not."""

from __future__ import annotations

from edgewright.graph.normalise._draft import Draft, DraftNode
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError


def _split(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    axis = int(node.attributes.get("axis", 0))
    length = seen.shapes[0][axis]
    given = seen.constant(1, "lengths")
    sizes = [int(n) for n in (given if given is not None else node.attributes.get("split", ()))]
    if not sizes:
        each = -(-length // len(node.outputs))
        sizes = [each] * (len(node.outputs) - 1)
        sizes.append(length - sum(sizes))
    if len(sizes) != len(node.outputs) or sum(sizes) != length or min(sizes) < 0:
        raise InputError(f"parts of a length of {length}", str(sizes), node.where)
    parts, at = [], 0
    for size, output in zip(sizes, node.outputs, strict=True):
        if output:
            ends = [draft.integers([n]) for n in (at, at + size, axis)]
            parts.append(DraftNode("Slice", [node.inputs[0], *ends], [output]))
        at += size
    return parts


RULES: dict[str, Rule] = {"Split": _split}
