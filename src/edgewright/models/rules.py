"""A list of rules over columns, and products, differences and ratios of columns: the first that holds answers."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder
from edgewright.models._plain import Floats, PlainModel, plain_model

COLUMN, PRODUCT, DIFFERENCE, RATIO = 0, 1, 2, 3
_SIGNS = {PRODUCT: "x", DIFFERENCE: "-", RATIO: "/"}
_FLOAT = 1


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


Flags = NDArray[np.bool_]
# Columns that are looked at by themselves, and those of which pairs are made: the best by themselves.
MOST_COLUMNS, MOST_PAIRED = 48, 8
MOST_RULES, MOST_CONDITIONS = 12, 4
# A rule of fewer samples is an anecdote.
FEWEST = 5


@dataclass(frozen=True)
class Condition:
    """A term compared with a threshold."""

    kind: int
    left: int
    right: int
    at_least: bool
    threshold: float


@dataclass(frozen=True)
class Terms:
    """What conditions may compare: (kind, left, right) and values of shape (terms, n), with their sorted order."""

    named: tuple[tuple[int, int, int], ...]
    values: Floats
    order: NDArray[np.int64]

    def price(self, conditions: int) -> float:
        """Bits that say one condition: which term, which side, which of the thresholds between the samples held."""
        return math.log2(len(self.named)) + 1.0 + math.log2(max(2, conditions))


def terms_of(X: Floats, columns: NDArray[np.int64], pairs: bool = True) -> Terms:
    """Return columns, and products, differences and ratios of the first of them.

    Args:
        X: (n, columns), NaN where missing.
        columns: best first.
        pairs: False takes the columns alone.
    """
    named = [(COLUMN, int(c), int(c)) for c in columns[:MOST_COLUMNS]]
    if pairs:
        for a, b in itertools.combinations([int(c) for c in columns[:MOST_PAIRED]], 2):
            named += [(PRODUCT, a, b), (DIFFERENCE, a, b), _ratio(X, a, b)]
    values = np.stack([combined(X, *term) for term in named])
    # Missing values and divisions by zero meet no condition: they are sorted to the end and never cut off there.
    values = np.where(np.isfinite(values), values, np.float32(np.nan))
    return Terms(tuple(named), values, np.argsort(values, axis=1, kind="stable"))


def _ratio(X: Floats, a: int, b: int) -> tuple[int, int, int]:
    """Return the ratio of two columns with the one below that is less often zero."""
    zeros = (X[:, a] == 0).sum(), (X[:, b] == 0).sum()
    return (RATIO, a, b) if zeros[1] <= zeros[0] else (RATIO, b, a)


def best_columns(X: Floats, target: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return columns by how much one cut of each explains of the target, (n,) or (n, outputs); best first."""
    wide = target.reshape(len(X), -1)
    wide = wide - wide.mean(axis=0)
    gains = np.empty(X.shape[1])
    for column in range(X.shape[1]):
        known = np.flatnonzero(np.isfinite(X[:, column]))
        order = known[np.argsort(X[known, column], kind="stable")]
        values = X[order, column]
        cut = np.flatnonzero(values[1:] > values[:-1])
        if not len(cut):
            gains[column] = -1.0
            continue
        left = np.cumsum(wide[order], axis=0)[cut]
        total, size = wide[order].sum(axis=0), cut + 1.0
        rest = len(order) - size
        gains[column] = float(((left**2).sum(1) / size + ((total - left) ** 2).sum(1) / rest).max())
    ranked = np.argsort(-gains, kind="stable")
    return ranked[gains[ranked] > 0].astype(np.int64)


def grow(terms: Terms, wanted: Flags, rest: Flags) -> tuple[list[Condition], Flags]:
    """One rule for `wanted` among the samples `rest`.

    Returns:
        Its conditions, none where nothing is worth saying, and the samples of `rest` it holds for.
    """
    covered, conditions, order = rest.copy(), [], terms.order
    for _ in range(MOST_CONDITIONS):
        order = order[covered[order]].reshape(len(order), -1)
        best = _best(terms, wanted, order)
        if best is None:
            break
        gain, condition, index = best
        if gain <= terms.price(int(covered.sum())):
            break
        value = terms.values[index]
        covered &= (value >= condition.threshold) if condition.at_least else (value <= condition.threshold)
        conditions.append(condition)
        if wanted[covered].all():
            break
    return conditions, covered


def _best(terms: Terms, wanted: Flags, order: NDArray[np.int64]) -> tuple[float, Condition, int] | None:
    """Return the condition of largest gain among the samples held: bits saved in saying which of them are wanted.

    Args:
        terms: what is compared.
        wanted: shape (n,).
        order: the samples held in the order of each term, shape (terms, held).
    """
    count, right = order.shape[1], int(wanted[order[0]].sum())
    if not right or right == count:
        return None
    ordered = np.take_along_axis(terms.values, order, axis=1)
    known = np.isfinite(ordered)
    below, below_yes = np.cumsum(known, axis=1), np.cumsum(wanted[order] & known, axis=1)
    total, total_yes = below[:, -1:], below_yes[:, -1:]
    # A cut lies between two samples of different value; what is missing is at the end.
    cut = np.zeros(order.shape, np.bool_)
    np.greater(ordered[:, 1:], ordered[:, :-1], out=cut[:, :-1])
    base = math.log2(right / count)
    best: tuple[float, Condition, int] | None = None
    for at_least in (False, True):
        p = (total_yes - below_yes) if at_least else below_yes
        n = (total - below) if at_least else below
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(cut & (n >= FEWEST) & (p > 0), p * (np.log2(p / n) - base), -np.inf)
        index = int(np.argmax(gain))
        term, position = divmod(index, gain.shape[1])
        value = float(gain[term, position])
        if np.isfinite(value) and (best is None or value > best[0]):
            low, high = float(ordered[term, position]), float(ordered[term, position + 1])
            limit = between(low, high, high if at_least else low)
            kind, first, second = terms.named[term]
            best = (value, Condition(kind, first, second, at_least, limit), term)
    return best


def between(low: float, high: float, otherwise: float) -> float:
    """Return a float32 between two neighbours that tells them apart, as short as it can be said; else `otherwise`."""
    for digits in range(2, 9):
        middle = float(np.float32(f"{(low + high) / 2:.{digits}g}"))
        if low < middle < high:
            return middle
    return otherwise


# Rules are found on at most this many samples; more would sharpen thresholds only.
_MOST_SAMPLES = 20_000
# Cuts of an amount: a rule for the upper or lower part of it.
_LEVELS = (0.9, 0.1, 0.75, 0.25)


class Rules(PlainModel):
    """A decision list, found greedily; arguments and attributes as of `PlainModel`.

    Attributes:
        table_: the rules.
    """

    kind = "rules"
    missing = True
    learned = ("table_",)
    pairs = True
    max_rules = MOST_RULES

    table_: dict[str, NDArray[Any]]

    @property
    def table(self) -> RuleTable:
        """The fitted rules."""
        return RuleTable(**self.table_)

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        rows = np.arange(len(X))
        if len(rows) > _MOST_SAMPLES:
            rows = np.sort(np.random.default_rng(self.seed).choice(rows, _MOST_SAMPLES, replace=False))
        wide = np.eye(classes)[target] if classes else np.asarray(target, np.float64)[:, None]
        columns = best_columns(X[rows], wide[rows])
        rules = self._best_rule(X[rows], wide[rows], columns, classes) if len(columns) else []
        self.table_ = answered(rules, X, wide, classes).arrays

    def _best_rule(
        self, X: Floats, wide: NDArray[np.float64], columns: NDArray[np.int64], classes: int
    ) -> list[list[Condition]]:
        """Rules for the classes, rarest first (Cohen, 1995), or for the ends of an amount."""
        terms, rest = terms_of(X, columns, self.pairs), np.ones(len(X), bool)
        if classes:
            order = np.argsort(wide.sum(axis=0), kind="stable")[:-1]
            return [rule for c in order for rule in self._covering(terms, wide[:, c] > 0, rest)][: self.max_rules]
        class_rules: list[list[Condition]] = []
        for level in _LEVELS:
            amount = wide[:, 0]
            cut = np.quantile(amount, level)
            class_rules += self._covering(terms, amount > cut if level > 0.5 else amount < cut, rest, 1)
        return class_rules[: self.max_rules]

    def _covering(self, terms: Terms, wanted: Flags, rest: Flags, maximum: int = MOST_RULES) -> list[list[Condition]]:
        """Rules one after the other; takes what they hold for out of `rest`."""
        covering = []
        for _ in range(maximum):
            if (wanted & rest).sum() < FEWEST:
                break
            conditions, covered = grow(terms, wanted, rest)
            if not conditions:
                break
            covering.append(conditions)
            rest &= ~covered
        return covering

    def _answers(self, X: Floats) -> Floats:
        return self.table.answers[self.table.fires(X)]

    def _soften(self, heat: float) -> None:
        shares = self.table.answers.astype(np.float64) ** (1.0 / heat)
        answers = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
        self.table_ = {**self.table_, "answers": answers}

    def to_graph(self, builder: Builder, value: str) -> str:
        """Conditions, the first rule that holds, its answer."""
        return self.table.emit(builder, value)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return terms, thresholds and answers."""
        return self.table_

    def comparisons(self) -> int:
        """Return how many conditions there are."""
        return len(self.table.thresholds)

    def says(self, names: tuple[str, ...]) -> str:
        """Return the rules."""
        answers = self.table.answers
        if self.task == "classification":
            return self.table.says(names, [str(self.classes_[int(np.argmax(a))]) + _sure(a) for a in answers])
        return self.table.says(names, [f"{float(a[0]):.5g}" for a in answers])


def _sure(answer: Floats) -> str:
    return f" ({100 * float(answer.max()):.0f} %)"


def answered(rules: list[list[Condition]], X: Floats, wide: NDArray[np.float64], classes: int) -> RuleTable:
    """Return the table of rules, each with the share of the classes (or the mean) of the samples it answers.

    Shares are drawn towards those of all samples by the weight of one sample, so that nothing is certain.
    """
    flat = [(number, c) for number, conditions in enumerate(rules) for c in conditions]
    blank = np.zeros((len(rules) + 1, wide.shape[1]), np.float32)
    table = RuleTable(
        terms=np.array([(c.kind, c.left, c.right) for _, c in flat], np.int32).reshape(-1, 3),
        at_least=np.array([c.at_least for _, c in flat], np.int8),
        thresholds=np.array([c.threshold for _, c in flat], np.float32),
        rule=np.array([number for number, _ in flat], np.int32),
        answers=blank,
    )
    fired, prior = table.fires(X), wide.mean(axis=0)
    answers = np.empty(blank.shape, np.float64)
    for rule in range(len(rules) + 1):
        own = wide[fired == rule]
        answers[rule] = (own.sum(axis=0) + prior) / (len(own) + 1.0)
    return RuleTable(**{**table.arrays, "answers": answers.astype(np.float32)})


MODEL = plain_model(Rules)
