"""Readers of boosted trees in the formats of their own tools, one file for each format.

A reader returns the operators that an ONNX converter would have written, so that all later steps are the same.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.graph.draft import DraftNode
from edgewright.graph.from_onnx_parse import Declared, Parsed
from edgewright.schema.errors import InputError

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
    formats: list[Format] = [
        importlib.import_module(f"{__name__}.{name}").FORMAT for name in catalogue.listing(__name__, "FORMAT")
    ]
    return next((known for known in formats if known.fits(data[:_HEAD])), None)


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
        raise InputError(f"a whole model of {known.title}", got, f"model {name}", "Save it again") from None
    except InputError as error:
        raise InputError(error.expected, error.got, f"model {name}", error.do) from None


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
        raise InputError(f"trees of 1 to {_LARGEST:,} nodes in all", got, "the model", "Save it again")
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
