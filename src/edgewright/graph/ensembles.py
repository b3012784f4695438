"""Readers of boosted trees in the formats of LightGBM and XGBoost.

A reader returns the operators that an ONNX converter would have written, so that all later steps are the same.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, TreesError
from edgewright.graph.draft import Declared, DraftNode, Parsed

_HEAD = 64


@dataclass(frozen=True)
class Format:
    """The one object `FORMAT` of a file.

    Attributes:
        title: name of the tool.
        fits: returns whether the first bytes of a file belong to this format.
        read: reads the whole file; raises `InputError` for content that the dialect does not support.
        library: name of the Python package that wrote it.
        predict: program that predicts with this package; its arguments are the files of the model, the rows and the
            predictions (.npy), and the value that stands for a missing one.
        marks_missing: whether training may take another value than NaN as missing, which the file does not hold.
    """

    title: str
    fits: Callable[[bytes], bool]
    read: Callable[[bytes], Parsed]
    library: str
    predict: str
    marks_missing: bool = False


def format_of(data: bytes) -> Format | None:
    """Return the format of a file by its first bytes; None for any other file."""
    return next((known for known in (LIGHTGBM, XGBOOST) if known.fits(data[:_HEAD])), None)


def is_ensemble(path: Path) -> bool:
    """Return whether a file holds boosted trees of another tool."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return format_of(file.read(_HEAD)) is not None


def read_ensemble(data: bytes, name: str) -> Parsed | None:
    """Return the model in the bytes; None for any other file. `name` is for messages.

    Raises:
        InputError: for a damaged file, or one that has no place in the dialect.
    """
    known = format_of(data)
    if known is None:
        return None
    try:
        return known.read(data)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        got = "one that ends early or has other contents"
        raise TreesError(f"a whole model of {known.title}", got, f"model {name}", "Save it again") from None
    except InputError as error:
        raise InputError(error.expected, error.got, f"model {name}", error.do, code=error.code) from None


def float32_limits(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 not above each threshold: `x <= threshold` stays true for the same float32 values."""
    limits: NDArray[np.float32] = thresholds.astype(np.float32)
    high = limits.astype(np.float64) > thresholds
    limits[high] = np.nextafter(limits[high], np.float32(-np.inf))
    return limits


DRAWN_ROWS = 200
_MISSING_SHARE = 0.1


def draw_rows(
    columns: int, features: NDArray[Any], thresholds: NDArray[Any], marker: float = math.nan
) -> NDArray[np.float32]:
    """Draw rows that reach both sides of the splits: thresholds, their neighbors in float32, and missing values.

    Args:
        columns: number of columns.
        features: column of each split.
        thresholds: of the splits.
        marker: value that stands for a missing one, in addition to NaN.

    Returns:
        Shape (DRAWN_ROWS, columns), the same for the same trees.
    """
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(DRAWN_ROWS, columns)).astype(np.float32)
    for column in range(columns):
        own = np.asarray(thresholds, np.float32)[np.asarray(features) == column]
        own = own[np.isfinite(own)]
        if own.size:
            near = np.concatenate([own, np.nextafter(own, np.float32(np.inf)), np.nextafter(own, np.float32(-np.inf))])
            spread = np.float32(np.ptp(own) or 1.0)
            wide = rng.choice(own, DRAWN_ROWS) + spread * rng.normal(size=DRAWN_ROWS).astype(np.float32)
            rows[:, column] = np.where(rng.random(DRAWN_ROWS) < 0.5, rng.choice(near, DRAWN_ROWS), wide)
    rows[rng.random(rows.shape) < _MISSING_SHARE] = np.nan
    rows[rng.random(rows.shape) < _MISSING_SHARE] = marker
    return rows


# A file with more is taken as damaged.
_LARGEST = 1 << 20
_LEAF = "LEAF"


@dataclass(frozen=True)
class Node:
    """A node of a tree: the answer of a leaf, or a question with the two nodes that follow.

    Attributes:
        value: answer of a leaf; threshold of a question.
        feature: column that the question compares.
        yes: number of the next node in its tree if the answer is yes; negative for a leaf.
        no: number of the next node if the answer is no.
        missing: whether a missing value counts as yes.
    """

    value: float
    feature: int = 0
    yes: int = -1
    no: int = -1
    missing: bool = False


def parsed(
    trees: Sequence[Sequence[Node]],
    *,
    mode: str,
    columns: int,
    ends: Sequence[int],
    base: Sequence[float],
    link: str,
    classes: int = 0,
    average: bool = False,
    producer: str = "",
    marker: float | None = None,
) -> Parsed:
    """Return the model in the form of an ONNX file.

    Args:
        trees: list of nodes for each tree, with its root first.
        mode: comparison of all questions, `BRANCH_LEQ` or `BRANCH_LT`.
        columns: number of columns of a row.
        ends: for each tree, the index of the score to which it adds.
        base: scores before the first tree.
        link: function of the scores: 'NONE', 'LOGISTIC', 'SOFTMAX' (classes only), or 'EXP' (amounts only).
        classes: number of classes; 0 for a regression.
        average: whether the trees are averaged instead of summed.
        producer: name of the tool.
        marker: value that stands for a missing one; None where the file does not say it.

    Raises:
        InputError: for a model without trees, or of senseless size.
    """
    nodes = [(number, index, node) for number, tree in enumerate(trees) for index, node in enumerate(tree)]
    if not 0 < len(nodes) <= _LARGEST or not 0 < columns <= _LARGEST:
        got = f"{len(nodes):,} nodes, {columns:,} columns"
        raise TreesError(f"trees of 1 to {_LARGEST:,} nodes in all", got, "the model", "Save it again")
    leaves = [(number, index, node.value) for number, index, node in nodes if node.yes < 0]
    prefix = "class" if classes else "target"
    attributes: dict[str, Any] = {
        "nodes_treeids": tuple(number for number, _, _ in nodes),
        "nodes_nodeids": tuple(index for _, index, _ in nodes),
        "nodes_modes": tuple(_LEAF if node.yes < 0 else mode for _, _, node in nodes),
        "nodes_featureids": tuple(node.feature for _, _, node in nodes),
        "nodes_values": tuple(0.0 if node.yes < 0 else node.value for _, _, node in nodes),
        "nodes_truenodeids": tuple(max(0, node.yes) for _, _, node in nodes),
        "nodes_falsenodeids": tuple(max(0, node.no) for _, _, node in nodes),
        "nodes_missing_value_tracks_true": tuple(int(node.missing) for _, _, node in nodes),
        f"{prefix}_treeids": tuple(number for number, _, _ in leaves),
        f"{prefix}_nodeids": tuple(index for _, index, _ in leaves),
        f"{prefix}_ids": tuple(ends[number] for number, _, _ in leaves),
        f"{prefix}_weights": tuple(value for _, _, value in leaves),
        "base_values": tuple(base),
        "post_transform": link if classes else "NONE",
    }
    if classes:
        attributes["classlabels_int64s"] = tuple(range(classes))
        node = DraftNode("TreeEnsembleClassifier", ["input"], ["label", "scores"], attributes, "ai.onnx.ml")
        outputs, nodes_out = ["label", "scores"], [node]
    else:
        attributes |= {"n_targets": 1, "aggregate_function": "AVERAGE" if average else "SUM"}
        link_operator = {"EXP": "Exp", "LOGISTIC": "Sigmoid"}.get(link)
        end = "amount" if link_operator else "value"
        nodes_out = [DraftNode("TreeEnsembleRegressor", ["input"], [end], attributes, "ai.onnx.ml")]
        nodes_out += [DraftNode(link_operator, [end], ["value"])] if link_operator else []
        outputs = ["value"]
    source = Declared("input", "float32", (-1, columns), ("", ""))
    return Parsed(nodes=nodes_out, inputs=[source], outputs=outputs, opset=18, producer=producer, marker=marker)


_LIGHTGBM_WHERE = "the model of LightGBM"
_LIGHTGBM_AMOUNTS = frozenset(
    {"regression", "regression_l2", "regression_l1", "huber", "fair", "quantile", "mape", "custom"}
)
_LIGHTGBM_LOGARITHMS = frozenset({"poisson", "gamma", "tweedie"})
# Bits of a decision: whether it is about categories, the side of missing values, and which values are missing.
_CATEGORY, _DEFAULT_LEFT = 1, 2
_NONE_MISSING, _ZERO_MISSING = 0, 1
# LightGBM's kZeroThreshold.
_ZERO = np.float32(1e-35)


def _read_lightgbm(data: bytes) -> Parsed:
    sections = data.decode("utf-8").split("\nTree=")
    head = _table(sections[0])
    objective, *options = head.get("objective", "custom").split()
    settings = dict(option.partition(":")[::2] for option in options)
    each = int(head["num_tree_per_iteration"])
    trees = [_tree_lightgbm(_table(section)) for section in sections[1:]]
    scores, link, classes = 1, "NONE", 0
    if objective == "binary":
        link, classes = "LOGISTIC", 2
        factor = float(settings.get("sigmoid", "1"))
        trees = [[Node(node.value * factor) if node.yes < 0 else node for node in tree] for tree in trees]
    elif objective == "multiclass":
        scores = classes = each
        link = "SOFTMAX"
    elif objective in _LIGHTGBM_LOGARITHMS:
        link = "EXP"
    elif objective not in _LIGHTGBM_AMOUNTS or "sqrt" in options or each != 1:
        known = ", ".join(sorted({"binary", "multiclass"} | _LIGHTGBM_AMOUNTS | _LIGHTGBM_LOGARITHMS))
        do = "Train with one of these objectives"
        raise TreesError(f"an objective of {known}", head.get("objective", "none"), _LIGHTGBM_WHERE, do)
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


def _tree_lightgbm(table: dict[str, str]) -> list[Node]:
    """Return the questions, then the leaves: a negative child is a leaf, counted from -1 downwards."""
    if table.get("is_linear", "0") != "0":
        raise TreesError("a number at each leaf", "linear_tree", _LIGHTGBM_WHERE, "Train without linear_tree")
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
        raise TreesError(
            "splits on numbers", "splits on categories", _LIGHTGBM_WHERE, "Encode categories as numbers first"
        )
    missing = kind >> 2
    if missing == _ZERO_MISSING:
        raise TreesError(
            "missing values that are NaN", "zero_as_missing", _LIGHTGBM_WHERE, "Train without zero_as_missing"
        )
    return limit >= 0 if missing == _NONE_MISSING else bool(kind & _DEFAULT_LEFT)


_LIGHTGBM_PREDICT = """
import sys
import lightgbm, numpy
model, rows, answers, marker = sys.argv[1:]
x = numpy.load(rows).astype(numpy.float64)
numpy.save(answers, lightgbm.Booster(model_file=model).predict(x, num_threads=1))
"""

LIGHTGBM = Format(
    title="LightGBM",
    fits=lambda head: head.startswith((b"tree\n", b"tree\r\n")),
    read=_read_lightgbm,
    library="lightgbm",
    predict=_LIGHTGBM_PREDICT,
)


_NUMBERS = {"i": "b", "U": "B", "I": "h", "l": "i", "L": "q", "d": "f", "D": "d"}
_CONSTANTS = {"T": True, "F": False, "Z": None}
# A file with deeper objects is taken as damaged.
_DEEPEST = 32


def read_ubjson(data: bytes) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the value in the bytes.

    Raises:
        ValueError: for bytes that are none.
    """
    reader = _Reader(data)
    return reader.value(reader.mark(), 0)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def mark(self) -> str:
        """Return the next byte that is not a filler."""
        while True:
            mark = self._take(1).decode("latin-1")
            if mark != "N":
                return mark

    def value(self, mark: str, depth: int) -> Any:  # noqa: ANN401 - whatever the file holds
        if depth > _DEEPEST:
            raise ValueError("too deep")
        if mark in _NUMBERS:
            return self._number(mark)
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if mark == "C":
            return self._take(1).decode("latin-1")
        if mark in ("S", "H"):
            return self._text()
        if mark == "[":
            return self._list(depth + 1)
        if mark == "{":
            return self._object(depth + 1)
        raise ValueError(mark)

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError("ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self, mark: str) -> Any:  # noqa: ANN401 - an integer or a float
        form = struct.Struct(f">{_NUMBERS[mark]}")
        return form.unpack(self._take(form.size))[0]

    def _length(self) -> int:
        mark = self.mark()
        if mark not in "iUIlL":
            raise ValueError(mark)
        return int(self._number(mark))

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8")

    def _header(self) -> tuple[str, int | None, str]:
        """Return the type and number of entries where the header states them, and the byte after it."""
        mark, kind = self.mark(), ""
        if mark == "$":
            kind = self.mark()
            mark = self.mark()
        if mark != "#":
            return kind, None, mark
        count = self._length()
        # An entry takes a byte at least, unless all are one constant.
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError("ends early")
        return kind, count, ""

    def _list(self, depth: int) -> list[Any]:
        kind, count, mark = self._header()
        if count is not None:
            if kind in _NUMBERS:
                form = struct.Struct(f">{count}{_NUMBERS[kind]}")
                return list(form.unpack(self._take(form.size)))
            return [self.value(kind or self.mark(), depth) for _ in range(count)]
        items = []
        while mark != "]":
            items.append(self.value(mark, depth))
            mark = self.mark()
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count, mark = self._header()
        entries = {}
        if count is not None:
            for _ in range(count):
                name = self._text()
                entries[name] = self.value(kind or self.mark(), depth)
            return entries
        while mark != "}":
            if mark not in "iUIlL":
                raise ValueError(mark)
            name = self._take(int(self._number(mark))).decode("utf-8")
            entries[name] = self.value(self.mark(), depth)
            mark = self.mark()
        return entries


_XGBOOST_WHERE = "the model of XGBoost"
_XGBOOST_AMOUNTS = frozenset({"reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror",
                      "reg:squaredlogerror", "binary:logitraw", "rank:ndcg", "rank:map", "rank:pairwise"})  # fmt: skip
_XGBOOST_LOGARITHMS = frozenset({"count:poisson", "reg:gamma", "reg:tweedie"})
_SOFTMAX = frozenset({"multi:softprob", "multi:softmax"})
_JSON = re.compile(rb'\{\s*"learner"')


def _read_xgboost(data: bytes) -> Parsed:
    model = read_ubjson(data) if data.startswith(b"{L") else json.loads(data)
    learner = model["learner"]
    booster, given = learner["gradient_booster"], learner["learner_model_param"]
    kind = booster["name"]
    if kind not in ("gbtree", "dart"):
        raise TreesError("boosted trees (gbtree or dart)", repr(kind), _XGBOOST_WHERE)
    # A model with dropped trees keeps its trees one level deeper, and a factor for each.
    forest = (booster["gbtree"] if kind == "dart" else booster)["model"]
    trees, ends = forest["trees"], [int(end) for end in forest["tree_info"]]
    factors = [float(factor) for factor in booster.get("weight_drop", ())] or [1.0] * len(trees)
    if int(given.get("num_target", "1")) > 1:
        raise TreesError("one target", given["num_target"], _XGBOOST_WHERE, "Train a model for each target")
    kept = _kept(learner, forest, len(trees))
    objective, scores = learner["objective"]["name"], max(1, int(given["num_class"]))
    base = [float(text) for text in given["base_score"].strip("[]").split(",")]
    link, classes = "NONE", 0
    if objective in ("binary:logistic", "reg:logistic"):
        link, base = "LOGISTIC", [math.log(base[0] / (1 - base[0]))]
        classes = 2 if objective == "binary:logistic" else 0
    elif objective in _SOFTMAX:
        link, classes = "SOFTMAX", scores
    elif objective in _XGBOOST_LOGARITHMS:
        link, base = "EXP", [math.log(base[0])]
    elif objective not in _XGBOOST_AMOUNTS:
        known = ", ".join(
            sorted({"binary:logistic", "reg:logistic"} | _SOFTMAX | _XGBOOST_AMOUNTS | _XGBOOST_LOGARITHMS)
        )
        raise TreesError(
            f"an objective of {known}", repr(objective), _XGBOOST_WHERE, "Train with one of these objectives"
        )
    scaled = [_tree_xgboost(tree, factor) for tree, factor in zip(trees[:kept], factors[:kept], strict=True)]
    return parsed(
        scaled, mode="BRANCH_LT", columns=int(given["num_feature"]), ends=ends[:kept],
        base=base if len(base) == scores else base * scores, link=link, classes=classes, producer="XGBoost",
        marker=_marker(learner),
    )  # fmt: skip


def _marker(learner: dict[str, Any]) -> float | None:
    """Return the value that stands for a missing one, if the attribute `missing` of the booster says it.

    Raises:
        InputError: for an attribute that is no number.
    """
    text = learner.get("attributes", {}).get("missing")
    try:
        return None if text is None else float(text)
    except ValueError:
        raise TreesError("a number as the attribute 'missing'", repr(text), _XGBOOST_WHERE) from None


def _kept(learner: dict[str, Any], forest: dict[str, Any], count: int) -> int:
    """Return the trees up to the best round of early stopping, with which XGBoost's own estimators predict."""
    best = learner.get("attributes", {}).get("best_iteration")
    starts = forest.get("iteration_indptr")
    return int(starts[int(best) + 1]) if best is not None and starts else count


def _tree_xgboost(tree: dict[str, Any], factor: float) -> list[Node]:
    if any(int(kind) for kind in tree.get("split_type", ())):
        raise TreesError(
            "splits on numbers", "splits on categories", _XGBOOST_WHERE, "Encode categories as numbers first"
        )
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise TreesError(
            "a number at each leaf", "a vector", _XGBOOST_WHERE, "Train with multi_strategy one_output_per_tree"
        )
    columns = ("split_conditions", "split_indices", "left_children", "right_children", "default_left")
    return [
        Node(float(value) * factor)
        if int(left) < 0
        else Node(float(value), int(feature), int(left), int(right), bool(side))
        for value, feature, left, right, side in zip(*(tree[name] for name in columns), strict=True)
    ]


def _fits(head: bytes) -> bool:
    return _JSON.match(head) is not None or (head.startswith(b"{L") and b"learner" in head[:32])


_XGBOOST_PREDICT = """
import sys
import numpy, xgboost
model, rows, answers, marker = sys.argv[1:]
booster = xgboost.Booster(params={"nthread": 1}, model_file=model)
best = booster.attr("best_iteration")
if "multi:softmax" in booster.save_config():
    booster.set_param({"objective": "multi:softprob"})
x = xgboost.DMatrix(numpy.load(rows), missing=float(marker), nthread=1)
numpy.save(answers, booster.predict(x, iteration_range=(0, int(best) + 1 if best else 0), validate_features=False))
"""

XGBOOST = Format(
    title="XGBoost", fits=_fits, read=_read_xgboost, library="xgboost", predict=_XGBOOST_PREDICT, marks_missing=True
)
