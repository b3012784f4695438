"""GatherND of constant places: the axes that are chosen from as one, then entries by index."""

from __future__ import annotations

import math

import numpy as np

from edgewright.graph.normalise._draft import Chain, Draft, DraftNode
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError


def _gather(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    places, shape, grows = seen.constant(1, "places"), seen.shapes[0], seen.grows()
    if places is None or node.attributes.get("batch_dims", 0) or not 1 <= places.shape[-1] <= len(shape):
        raise InputError("constant places without batch_dims", "others", node.where)
    count = places.shape[-1]
    chosen = shape[:count]
    if 0 <= grows < count:
        raise InputError("a choice within each sample", f"one among the samples, axis {grows}", node.where)
    lengths = np.asarray(chosen, np.int64)
    if np.any(places < -lengths) or np.any(places >= lengths):
        raise InputError(f"places within {chosen}", f"{places.min()} to {places.max()}", node.where)
    line = np.asarray(np.ravel_multi_index(np.moveaxis(places % lengths, -1, 0), chosen), np.int64)
    chain, value = Chain(draft), node.inputs[0]
    if count > 1:
        rest = [-1 if axis == grows else n for axis, n in enumerate(shape) if axis >= count]
        value = chain.op("Reshape", value, draft.integers([math.prod(chosen), *rest]))
    return chain.end(chain.op("Gather", value, draft.constant(line), axis=0), node.outputs[0])


RULES: dict[str, Rule] = {"GatherND": _gather}
