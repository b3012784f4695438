"""Einsum of the common contractions: sums, one order of axes for both, a product of matrices, the order asked for."""

from __future__ import annotations

import math
import re

from edgewright.graph.draft import Chain, DraftNode, Rewritten
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError

_TERM = re.compile(r"[A-Za-z]*")


def _einsum(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    terms, out = _equation(node, seen)
    lengths = {letter: n for term, shape in zip(terms, seen.shapes, strict=True)
               for letter, n in zip(term, shape, strict=True)}  # fmt: skip
    batch = {terms[i][seen.grows(i)] for i in range(len(terms)) if seen.grows(i) >= 0}
    value, term = node.inputs[0], terms[0]
    for index in range(1, len(terms)):
        needed = set(out).union(*terms[index + 1 :])
        value, term = _product(chain, (value, node.inputs[index]), (term, terms[index]), needed, lengths, batch)
    value, term = _summed(chain, value, term, set(out))
    return _ordered(chain, value, term, out)


def _equation(node: DraftNode, seen: Seen) -> tuple[list[str], str]:
    """Return letters of the inputs and of the output.

    Raises:
        InputError: for an equation that is none, or has an ellipsis or a letter twice in a term.
    """
    equation = str(node.attributes.get("equation", "")).replace(" ", "")
    left, arrow, out = equation.partition("->")
    terms = left.split(",")
    if not arrow:
        out = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    good = len(terms) == len(seen.shapes) and all(map(_TERM.fullmatch, (*terms, out)))
    good = good and all(len(set(term)) == len(term) for term in (*terms, out)) and set(out) <= set(left)
    if not good or any(len(term) != len(shape) for term, shape in zip(terms, seen.shapes, strict=True)):
        got = "an equation of letters, each once in a term"
        raise InputError(got, repr(equation), node.where, "Write it with MatMul and Transpose")
    return terms, out


def _summed(chain: Chain, value: str, term: str, needed: set[str]) -> tuple[str, str]:
    """Return the sum over letters that nothing needs any more."""
    gone = [axis for axis, letter in enumerate(term) if letter not in needed]
    if not gone:
        return value, term
    value = chain.op("ReduceSum", value, gone, keepdims=0)
    return value, "".join(letter for letter in term if letter in needed)


def _ordered(chain: Chain, value: str, term: str, wanted: str) -> str:
    if term == wanted:
        return value
    return chain.op("Transpose", value, perm=tuple(term.index(letter) for letter in wanted))


def _product(
    chain: Chain,
    values: tuple[str, str],
    terms: tuple[str, str],
    needed: set[str],
    lengths: dict[str, int],
    batch: set[str],
) -> tuple[str, str]:
    """Two inputs as one product of matrices, and its letters: those of both, of the first, of the second."""
    if batch.intersection(terms[1]) and not batch.intersection(terms[0]):
        # Constants stand second, as weights do.
        values, terms = values[::-1], terms[::-1]
    first, term = _summed(chain, values[0], terms[0], needed.union(terms[1]))
    second, other = _summed(chain, values[1], terms[1], needed.union(terms[0]))
    both = "".join(letter for letter in term if letter in other and letter in needed)
    over = "".join(letter for letter in term if letter in other and letter not in needed)
    mine, its = ("".join(c for c in t if c not in both + over) for t in (term, other))
    # A batch that only the first has stays an axis of its own, so that a sample keeps its rows together.
    own = "".join(batch.intersection(mine)) if len(both + mine) > 1 else ""
    mine = "".join(letter for letter in mine if letter not in own)

    def length(letters: str) -> int:
        return -1 if batch.intersection(letters) else math.prod(lengths[letter] for letter in letters)

    def shaped(value: str, term: str, order: str, *tail: str) -> str:
        ahead = [length(letter) for letter in order if letter not in "".join(tail)]
        shape = chain.draft.integers([*ahead, *map(length, tail)])
        return chain.op("Reshape", _ordered(chain, value, term, order), shape)

    left = shaped(first, term, own + both + mine + over, mine, over)
    right = shaped(second, other, both + over + its, over, its)
    layout = own + both + mine + its
    product = chain.op("MatMul", left, right)
    return chain.op("Reshape", product, [length(letter) for letter in layout]), layout


RULES: dict[str, Rule] = {"Einsum": _einsum}
