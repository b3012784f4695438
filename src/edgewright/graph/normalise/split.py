"""Split becomes one Slice for each part: every operator of the dialect has one output."""

from __future__ import annotations

from edgewright.graph.normalise._draft import Draft, DraftNode
from edgewright.graph.normalise._values import known, start, step
from edgewright.schema.errors import InputError

ORDER = 45


def run(draft: Draft) -> None:
    """Rewrites every Split; the shape before it tells the parts where the model does not."""
    if not any(node.kind == "Split" for node in draft.nodes):
        return
    values = start(draft)
    made: list[DraftNode] = []
    for node in draft.nodes:
        parts = _parts(draft, node, values[0][node.inputs[0]].shape) if node.kind == "Split" else [node]
        for part in parts:
            if not known(part):
                draft.refuse_unknown()
            for one in values:
                one.update({name: draft.constants[name] for name in part.inputs if name in draft.constants})
            step(part, values)
        made += parts
    draft.nodes = made


def _parts(draft: Draft, node: DraftNode, shape: tuple[int, ...]) -> list[DraftNode]:
    axis = int(node.attributes.get("axis", 0))
    length = shape[axis]
    given = draft.array(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
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
