"""The Transpose of a channels-last writer before the first layer goes before the rounding of the input and its padding.

Rounding looks at each number by itself, and padding at each axis: `Transpose(f(x))` is `f(Transpose(x))`. What is left
between the rounding and the first layer then is a layer's input as ours have it.
"""

from __future__ import annotations

import numpy as np

from edgewright.graph.draft import Draft, DraftNode

# After `rounded`, which takes the roundings between them away, and before `pools`, which takes padding into layers.
ORDER = 52


def run(draft: Draft) -> None:
    """Swap until the Transpose stands first."""
    for _ in range(len(draft.nodes)):
        pair = _pair(draft)
        if pair is None:
            return
        first, second = pair
        perm = tuple(int(axis) for axis in second.attributes["perm"])
        if first.kind == "Pad":
            widths = draft.constants[first.inputs[1]].reshape(2, -1)
            first.inputs[1] = draft.integers(widths[:, list(perm)].ravel().tolist())
        # The names of what goes in and comes out stay; the value between them is another one.
        source, between, end = first.inputs[0], draft.fresh("turned"), second.outputs[0]
        second.inputs, second.outputs = [source], [between]
        first.inputs[0], first.outputs = between, [end]
        position, other = draft.nodes.index(first), draft.nodes.index(second)
        draft.nodes[position], draft.nodes[other] = second, first


def _pair(draft: Draft) -> tuple[DraftNode, DraftNode] | None:
    """Return what stands before a Transpose and may stand behind it, back to a rounding of the model's input."""
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        before = producers.get(node.inputs[0]) if node.kind == "Transpose" and "perm" in node.attributes else None
        if before is None or before.outputs[0] in draft.outputs or not _of_input(draft, before, producers):
            continue
        if len(readers.get(before.outputs[0], [])) == 1 and _alike(draft, before, len(node.attributes["perm"])):
            return before, node
    return None


def _of_input(draft: Draft, node: DraftNode | None, producers: dict[str, DraftNode]) -> bool:
    """Return whether nothing but padding and rounding stands between the model's input and a node."""
    for _ in range(len(draft.nodes)):
        if node is None or node.kind not in ("Pad", "QuantizeLinear", "DequantizeLinear"):
            return False
        if node.inputs[0] == draft.source.name:
            return True
        node = producers.get(node.inputs[0])
    return False


def _alike(draft: Draft, node: DraftNode, rank: int) -> bool:
    """Return whether a node treats all axes alike, or names what it does to each."""
    if node.kind == "Pad":
        widths = draft.array(node.inputs[1])
        return widths is not None and widths.size == 2 * rank and len(node.inputs) < 4
    scale = draft.array(node.inputs[1])
    return scale is not None and np.size(scale) == 1
