"""CumSum by doubling: the sums over 1, 2, 4, ... values are added to themselves, shifted by as many.

As many additions a value as its length has bits, where a product with a triangular matrix takes the length itself; a
missing value spoils the sums after it and not those before.
"""

from __future__ import annotations

from edgewright.graph.normalise._draft import Chain, Draft, DraftNode
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError


def _cumulative(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    number, shape = seen.constant(1, "axis"), seen.shapes[0]
    if number is None or number.size != 1:
        raise InputError("one axis", "others", node.where)
    axis = int(number.ravel()[0]) % len(shape)
    if axis in (0, seen.grows()):
        raise InputError("sums within each sample", "sums over the samples", node.where)
    chain, value = Chain(draft), node.inputs[0]
    back = bool(node.attributes.get("reverse", 0))
    if node.attributes.get("exclusive", 0):
        value = _shifted(chain, value, shape, axis, 1, back)
    width = 1
    while width < shape[axis]:
        value = chain.op("Add", value, _shifted(chain, value, shape, axis, width, back))
        width *= 2
    return chain.end(value, node.outputs[0])


def _shifted(chain: Chain, value: str, shape: tuple[int, ...], axis: int, width: int, back: bool) -> str:
    """The value moved by `width` along an axis, towards its beginning where `back`, with zeros behind it."""
    draft, length = chain.draft, shape[axis]
    start, end = (width, length) if back else (0, length - width)
    kept = chain.op("Slice", value, *(draft.integers([n]) for n in (start, end, axis)))
    around = [0] * (2 * len(shape))
    around[axis + (len(shape) if back else 0)] = width
    return chain.op("Pad", kept, draft.integers(around))


RULES: dict[str, Rule] = {"CumSum": _cumulative}
