"""Operators that other ones say as well once the lengths of their inputs are known: resizing, sums so far, Einsum, ...

Every value is computed on the way for two batch lengths, as in `constants`: a later operator may ask for the lengths
that an earlier one gives.
"""

from __future__ import annotations

from edgewright.graph.draft import Draft, DraftNode, applied
from edgewright.graph.normalise._convolution_transpose import RULES as CONVOLUTIONS
from edgewright.graph.normalise._einsum import RULES as SUMS_OF_PRODUCTS
from edgewright.graph.normalise._rearranged import RULES as MOVES
from edgewright.graph.normalise._resize import RULES as SIZES
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.graph.normalise._values import Values, known, start, step
from edgewright.schema.errors import InputError

ORDER = 45
RULES: dict[str, Rule] = {**MOVES, **SIZES, **CONVOLUTIONS, **SUMS_OF_PRODUCTS}


def run(draft: Draft) -> None:
    """Rewrite every operator that has a rule.

    Raises:
        InputError: naming the operator, the attribute and what to do.
    """
    if not any(node.kind in RULES for node in draft.nodes):
        return
    values = start(draft)
    settled = set(draft.constants)
    nodes = []
    for node in draft.nodes:
        rule = RULES.get(node.kind)
        parts = [node] if rule is None else applied(rule, draft, node, _seen(draft, node, values, settled))
        for part in parts:
            if not known(part):
                draft.refuse_unknown(but=RULES)
            fresh = {name: draft.constants[name] for name in part.inputs if name in draft.constants}
            settled.update(fresh)
            for value in values:
                value.update(fresh)
            step(part, values)
            if part.op in ("Shape", "Size") or (part.inputs and settled.issuperset(filter(None, part.inputs))):
                settled.update(part.outputs)
        nodes += parts
    draft.nodes = nodes


def _seen(draft: Draft, node: DraftNode, values: list[Values], settled: set[str]) -> Seen:
    """Look at the inputs of a node.

    Raises:
        InputError: for an input that no earlier node gives.
    """
    missing = [name for name in node.inputs if name and name not in values[0]]
    if missing:
        draft.refuse_unknown(but=RULES)
        raise InputError("inputs that an earlier node gives", repr(missing[0]), node.where)
    first, last = values[0], values[-1]
    return Seen(
        node,
        tuple(first[name].shape if name else () for name in node.inputs),
        tuple(last[name].shape if name else () for name in node.inputs),
        tuple(first[name] if name in settled else None for name in node.inputs),
        draft.fixed_batch,
    )
