"""Activations that exporters write as several operators keep the name that the user wrote, for messages."""

from __future__ import annotations

from edgewright.graph.draft import Draft, DraftNode

ORDER = 8
# What a product takes beside the value that it gates, from the product back to that value.
_GATES = {
    ("Sigmoid",): "SiLU",
    ("HardSigmoid",): "HardSwish",
    ("Tanh", "Softplus"): "Mish",
    ("Add", "Erf", "Div"): "GELU",
    ("Add", "Erf", "Mul"): "GELU",
}
_LONGEST = max(map(len, _GATES))


def run(draft: Draft) -> None:
    """Mark the parts."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        for gated, gate in (node.inputs[:2], node.inputs[1::-1]) if node.kind == "Mul" else ():
            factor = [part for part in (producers.get(gated),) if part is not None and _by_number(draft, part)]
            for source, before in [(gated, []), *((_computed(draft, part)[0], factor) for part in factor)]:
                parts = _behind(draft, producers, gate, source)
                name = _GATES.get(tuple(part.kind for part in parts), "")
                after = [
                    part for part in readers.get(node.outputs[0], []) if name == "GELU" and _by_number(draft, part)
                ]
                for part in (*before, node, *parts, *after) if name else ():
                    part.origin = part.origin or name


def _computed(draft: Draft, node: DraftNode) -> list[str]:
    return [value for value in node.inputs if value and value not in draft.constants]


def _by_number(draft: Draft, node: DraftNode) -> bool:
    """Return whether a node is a product with a constant."""
    return node.kind == "Mul" and len(_computed(draft, node)) == 1


def _behind(draft: Draft, producers: dict[str, DraftNode], name: str, source: str) -> list[DraftNode]:
    """Return the nodes from a value back to another, each with one computed input; none where they lead elsewhere."""
    parts: list[DraftNode] = []
    while name != source:
        node = producers.get(name)
        computed = [] if node is None else _computed(draft, node)
        if node is None or len(computed) != 1 or len(parts) == _LONGEST:
            return []
        parts.append(node)
        (name,) = computed
    return parts
