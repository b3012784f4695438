"""LightGBM's text file, as `Booster.save_model` writes it (versions 3 and 4 of the format)."""

from __future__ import annotations

import numpy as np

from edgewright.graph.ensembles import Format, Node, float32_limits, parsed
from edgewright.graph.from_onnx_parse import Parsed
from edgewright.schema.errors import InputError

_WHERE = "the model of LightGBM"
_AMOUNTS = frozenset({"regression", "regression_l2", "regression_l1", "huber", "fair", "quantile", "mape", "custom"})
_LOGARITHMS = frozenset({"poisson", "gamma", "tweedie"})
# Bits of a decision: whether it is about categories, the side of missing values, and which values are missing.
_CATEGORY, _DEFAULT_LEFT = 1, 2
_NONE_MISSING, _ZERO_MISSING = 0, 1
# LightGBM's kZeroThreshold.
_ZERO = np.float32(1e-35)


def _read(data: bytes) -> Parsed:
    sections = data.decode("utf-8").split("\nTree=")
    head = _table(sections[0])
    objective, *options = head.get("objective", "custom").split()
    settings = dict(option.partition(":")[::2] for option in options)
    each = int(head["num_tree_per_iteration"])
    trees = [_tree(_table(section)) for section in sections[1:]]
    scores, link, classes = 1, "NONE", 0
    if objective == "binary":
        link, classes = "LOGISTIC", 2
        factor = float(settings.get("sigmoid", "1"))
        trees = [[Node(node.value * factor) if node.yes < 0 else node for node in tree] for tree in trees]
    elif objective == "multiclass":
        scores = classes = each
        link = "SOFTMAX"
    elif objective in _LOGARITHMS:
        link = "EXP"
    elif objective not in _AMOUNTS or "sqrt" in options or each != 1:
        known = ", ".join(sorted({"binary", "multiclass"} | _AMOUNTS | _LOGARITHMS))
        do = "Train with one of these objectives"
        raise InputError(f"an objective of {known}", head.get("objective", "none"), _WHERE, do)
    average = "average_output" in head
    if average and classes:
        # A forest averages its scores before their link, which the operator for classes has no attribute for.
        rounds = len(trees) // scores
        trees = [[Node(node.value / rounds) if node.yes < 0 else node for node in tree] for tree in trees]
    return parsed(
        trees, mode="BRANCH_LEQ", columns=int(head["max_feature_idx"]) + 1,
        ends=[number % scores for number in range(len(trees))], base=(0.0,) * scores, link=link, classes=classes,
        average=average and not classes, producer="LightGBM",
    )  # fmt: skip


def _table(section: str) -> dict[str, str]:
    """Return lines `key=value`, and keys alone, up to the first empty line behind them."""
    return {
        key: value for key, _, value in (line.partition("=") for line in section.strip().split("\n\n")[0].split("\n"))
    }


def _tree(table: dict[str, str]) -> list[Node]:
    """Return the questions, then the leaves: a negative child is a leaf, counted from -1 downwards."""
    if table.get("is_linear", "0") != "0":
        raise InputError("a number at each leaf", "linear_tree", _WHERE, "Train without linear_tree")
    answers = [float(text) for text in table["leaf_value"].split()]
    if int(table["num_leaves"]) == 1:
        return [Node(answers[0])]
    features, kinds, lefts, rights = (
        [int(text) for text in table[key].split()]
        for key in ("split_feature", "decision_type", "left_child", "right_child")
    )
    thresholds = np.asarray([float(text) for text in table["threshold"].split()])
    limits = float32_limits(thresholds)
    # LightGBM takes values this close to 0 for 0, which is above such a threshold.
    limits[(thresholds >= -_ZERO) & (thresholds < 0)] = np.nextafter(-_ZERO, np.float32(-np.inf))
    count = len(features)

    def index_of(child: int) -> int:
        return child if child >= 0 else count + ~child

    questions = [
        Node(float(limit), feature, index_of(left), index_of(right), _missing_left(kind, float(limit)))
        for feature, kind, left, right, limit in zip(features, kinds, lefts, rights, limits, strict=True)
    ]
    return [*questions, *(Node(answer) for answer in answers)]


def _missing_left(kind: int, limit: float) -> bool:
    """Return whether a missing value goes to the left; LightGBM treats it as zero if training had no missing values."""
    if kind & _CATEGORY:
        raise InputError("splits on numbers", "splits on categories", _WHERE, "Encode categories as numbers first")
    missing = kind >> 2
    if missing == _ZERO_MISSING:
        raise InputError("missing values that are NaN", "zero_as_missing", _WHERE, "Train without zero_as_missing")
    return limit >= 0 if missing == _NONE_MISSING else bool(kind & _DEFAULT_LEFT)


_PREDICT = """
import sys
import lightgbm, numpy
model, rows, answers, marker = sys.argv[1:]
x = numpy.load(rows).astype(numpy.float64)
numpy.save(answers, lightgbm.Booster(model_file=model).predict(x, num_threads=1))
"""

FORMAT = Format(
    title="LightGBM",
    fits=lambda head: head.startswith((b"tree\n", b"tree\r\n")),
    read=_read,
    library="lightgbm",
    predict=_PREDICT,
)
