"""A list of rules as arrays: the first rule whose conditions all hold answers, else the last answer stands.

A condition compares a column, a product, a difference or a ratio of two columns with a threshold. A missing value
makes a condition false.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder

Floats = NDArray[np.float32]
COLUMN, PRODUCT, DIFFERENCE, RATIO = 0, 1, 2, 3
_SIGNS = {PRODUCT: "x", DIFFERENCE: "-", RATIO: "/"}
_BOOL, _FLOAT = 9, 1


def combined(X: Floats, kind: int, left: int, right: int) -> Floats:
    """One column of what conditions compare, float32, shape (n,)."""
    a = X[:, left]
    if kind == COLUMN:
        return a
    b = X[:, right]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        column: Floats = (a * b if kind == PRODUCT else a - b if kind == DIFFERENCE else a / b).astype(np.float32)
    return column


@dataclass(frozen=True)
class RuleTable:
    """Conditions of all rules one after the other, and an answer a rule.

    Attributes:
        terms: int32 (conditions, 3): kind, left and right column.
        at_least: int8 (conditions,): 1 for 'at least the threshold', 0 for 'at most'.
        thresholds: float32 (conditions,).
        rule: int32 (conditions,): number of the rule a condition belongs to, ascending.
        answers: float32 (rules + 1, outputs); the last where no rule holds.
    """

    terms: NDArray[np.int32]
    at_least: NDArray[np.int8]
    thresholds: Floats
    rule: NDArray[np.int32]
    answers: Floats

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """By name."""
        return {name: getattr(self, name) for name in ("terms", "at_least", "thresholds", "rule", "answers")}

    def fires(self, X: Floats) -> NDArray[np.int64]:
        """Return the number of the rule that answers each sample; the number of rules where none does."""
        count = len(self.answers) - 1
        holds = np.ones((len(X), count + 1), bool)
        for (kind, left, right), up, threshold, rule in zip(
            self.terms, self.at_least, self.thresholds, self.rule, strict=True
        ):
            value = combined(X, int(kind), int(left), int(right))
            holds[:, rule] &= (value >= threshold) if up else (value <= threshold)
        first: NDArray[np.int64] = np.argmax(holds, axis=1).astype(np.int64)
        return first

    def says(self, names: tuple[str, ...], answers: list[str]) -> str:
        """Return the rules in a sentence; `answers` names each rule's answer, the last one's too."""
        lines = []
        for rule in range(len(self.answers) - 1):
            parts = [self._condition(int(n), names) for n in np.flatnonzero(self.rule == rule)]
            lines.append(f"{' and '.join(parts)} -> {answers[rule]}")
        return "; ".join([*lines, f"else {answers[-1]}" if lines else f"always {answers[-1]}"])

    def _condition(self, index: int, names: tuple[str, ...]) -> str:
        kind, left, right = (int(n) for n in self.terms[index])
        term = names[left] if kind == COLUMN else f"{names[left]} {_SIGNS[kind]} {names[right]}"
        return f"{term} {'>=' if self.at_least[index] else '<='} {float(self.thresholds[index]):.5g}"

    def emit(self, builder: Builder, value: str) -> str:
        """Return answers of shape (n, outputs): conditions, rules that hold, the first of them, its answer."""
        if not len(self.terms):
            return _always(builder, value, self.answers[-1])
        order = np.argsort(self.terms[:, 0], kind="stable")
        terms, rules = self.terms[order], self.rule[order]
        parts = [_terms(builder, value, kind, terms[terms[:, 0] == kind]) for kind in np.unique(terms[:, 0])]
        compared = parts[0] if len(parts) == 1 else builder.op("Concat", *parts, axis=1)
        # `-v <= -t` is `v >= t` exactly: one comparison serves all.
        sign = np.where(self.at_least[order] == 1, -1.0, 1.0).astype(np.float32)
        signed = builder.op("Mul", compared, builder.constant(sign[None]))
        limits = builder.constant((self.thresholds[order] * sign)[None].astype(np.float32))
        met = builder.op("Cast", builder.op("LessOrEqual", signed, limits), to=_FLOAT)
        count = len(self.answers) - 1
        belongs = (rules[:, None] == np.arange(count)).astype(np.float32)
        number = builder.op("MatMul", met, builder.constant(belongs))
        needed = builder.constant((belongs.sum(axis=0) - 0.5)[None].astype(np.float32))
        whole = builder.op("Cast", builder.op("LessOrEqual", needed, number), to=_FLOAT)
        # The first rule that holds has the largest weight; half a point stands for none.
        weights = np.concatenate([np.diag(np.arange(count, 0, -1)), np.zeros((count, 1))], axis=1).astype(np.float32)
        bias = np.concatenate([np.zeros(count), [0.5]]).astype(np.float32)
        first = builder.op(
            "ArgMax", builder.op("Gemm", whole, builder.constant(weights), builder.constant(bias)), axis=1, keepdims=0
        )
        return builder.op("Gather", builder.constant(self.answers.astype(np.float32)), first, axis=0)


def _terms(builder: Builder, value: str, kind: int, terms: NDArray[np.int32]) -> str:
    """Return what the conditions of one kind compare, (n, conditions)."""
    left = builder.op("Gather", value, builder.constant(terms[:, 1].astype(np.int64)), axis=1)
    if kind == COLUMN:
        return left
    right = builder.op("Gather", value, builder.constant(terms[:, 2].astype(np.int64)), axis=1)
    return builder.op({PRODUCT: "Mul", DIFFERENCE: "Sub", RATIO: "Div"}[kind], left, right)


def _always(builder: Builder, value: str, answer: Floats) -> str:
    """Return the same answer for every sample, whatever its values (missing ones too)."""
    first = builder.op("Gather", value, builder.integers(0), axis=1)
    never = builder.op("And", builder.op("IsNaN", first), builder.op("Not", builder.op("IsNaN", first)))
    zero = builder.op("Cast", never, to=_FLOAT)
    return builder.op("Add", zero, builder.constant(answer[None].astype(np.float32)))
