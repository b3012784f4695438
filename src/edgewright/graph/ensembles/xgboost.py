"""Reader of the JSON and UBJSON files that `save_model` of XGBoost writes since version 1.6."""

from __future__ import annotations

import json
import math
import re
import struct
from typing import Any

from edgewright.graph.ensembles import Format, Node, parsed
from edgewright.graph.from_onnx_parse import Parsed
from edgewright.schema.errors import InputError

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


_WHERE = "the model of XGBoost"
_AMOUNTS = frozenset({"reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror",
                      "reg:squaredlogerror", "binary:logitraw", "rank:ndcg", "rank:map", "rank:pairwise"})  # fmt: skip
_LOGARITHMS = frozenset({"count:poisson", "reg:gamma", "reg:tweedie"})
_SOFTMAX = frozenset({"multi:softprob", "multi:softmax"})
_JSON = re.compile(rb'\{\s*"learner"')


def _read(data: bytes) -> Parsed:
    model = read_ubjson(data) if data.startswith(b"{L") else json.loads(data)
    learner = model["learner"]
    booster, given = learner["gradient_booster"], learner["learner_model_param"]
    kind = booster["name"]
    if kind not in ("gbtree", "dart"):
        raise InputError("boosted trees (gbtree or dart)", repr(kind), _WHERE)
    # A model with dropped trees keeps its trees one level deeper, and a factor for each.
    forest = (booster["gbtree"] if kind == "dart" else booster)["model"]
    trees, ends = forest["trees"], [int(end) for end in forest["tree_info"]]
    factors = [float(factor) for factor in booster.get("weight_drop", ())] or [1.0] * len(trees)
    if int(given.get("num_target", "1")) > 1:
        raise InputError("one target", given["num_target"], _WHERE, "Train a model for each target")
    kept = _kept(learner, forest, len(trees))
    objective, scores = learner["objective"]["name"], max(1, int(given["num_class"]))
    base = [float(text) for text in given["base_score"].strip("[]").split(",")]
    link, classes = "NONE", 0
    if objective in ("binary:logistic", "reg:logistic"):
        link, base = "LOGISTIC", [math.log(base[0] / (1 - base[0]))]
        classes = 2 if objective == "binary:logistic" else 0
    elif objective in _SOFTMAX:
        link, classes = "SOFTMAX", scores
    elif objective in _LOGARITHMS:
        link, base = "EXP", [math.log(base[0])]
    elif objective not in _AMOUNTS:
        known = ", ".join(sorted({"binary:logistic", "reg:logistic"} | _SOFTMAX | _AMOUNTS | _LOGARITHMS))
        raise InputError(f"an objective of {known}", repr(objective), _WHERE, "Train with one of these objectives")
    scaled = [_tree(tree, factor) for tree, factor in zip(trees[:kept], factors[:kept], strict=True)]
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
        raise InputError("a number as the attribute 'missing'", repr(text), _WHERE) from None


def _kept(learner: dict[str, Any], forest: dict[str, Any], count: int) -> int:
    """Return the trees up to the best round of early stopping, with which XGBoost's own estimators predict."""
    best = learner.get("attributes", {}).get("best_iteration")
    starts = forest.get("iteration_indptr")
    return int(starts[int(best) + 1]) if best is not None and starts else count


def _tree(tree: dict[str, Any], factor: float) -> list[Node]:
    if any(int(kind) for kind in tree.get("split_type", ())):
        raise InputError("splits on numbers", "splits on categories", _WHERE, "Encode categories as numbers first")
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise InputError("a number at each leaf", "a vector", _WHERE, "Train with multi_strategy one_output_per_tree")
    columns = ("split_conditions", "split_indices", "left_children", "right_children", "default_left")
    return [
        Node(float(value) * factor)
        if int(left) < 0
        else Node(float(value), int(feature), int(left), int(right), bool(side))
        for value, feature, left, right, side in zip(*(tree[name] for name in columns), strict=True)
    ]


def _fits(head: bytes) -> bool:
    return _JSON.match(head) is not None or (head.startswith(b"{L") and b"learner" in head[:32])


_PREDICT = """
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

FORMAT = Format(title="XGBoost", fits=_fits, read=_read, library="xgboost", predict=_PREDICT, marks_missing=True)
