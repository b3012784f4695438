"""A list of rules over columns, and products, differences and ratios of columns: the first that holds answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder
from edgewright.models._plain import Floats, PlainModel, plain_model
from edgewright.models._rule_search import FEWEST, MOST_RULES, Condition, Flags, Terms, best_columns, grow, terms_of
from edgewright.models._rule_table import RuleTable

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
