"""Linear models of ai.onnx.ml: a Gemm, then what the operator's attribute `post_transform` says."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.graph.draft import Chain, Draft, DraftNode, rewrite
from edgewright.graph.normalise._ml import as_float, class_names, post_transform, says_classes
from edgewright.schema.errors import InputError

ORDER = 30


def run(draft: Draft) -> None:
    """Rewrite LinearClassifier and LinearRegressor."""
    rewrite(draft, {"ai.onnx.ml.LinearClassifier": _classifier, "ai.onnx.ml.LinearRegressor": _regressor})


def _gemm(chain: Chain, node: DraftNode, rows: int) -> str:
    coefficients = np.asarray(node.attributes.get("coefficients", ()), np.float32)
    if rows < 1 or not coefficients.size or coefficients.size % rows:
        raise InputError(f"coefficients for {rows} outputs", str(coefficients.size), node.where)
    bias: Any = node.attributes.get("intercepts") or np.zeros(rows)
    weights = np.ascontiguousarray(coefficients.reshape(rows, -1).T)
    return chain.op("Gemm", as_float(chain, node.inputs[0]), weights, np.asarray(bias, np.float32).reshape(-1))


def _regressor(chain: Chain, node: DraftNode) -> str:
    targets = int(node.attributes.get("targets", 1))
    return post_transform(chain, _gemm(chain, node, targets), node, targets)


def _classifier(chain: Chain, node: DraftNode) -> list[DraftNode]:
    names = class_names(node)
    rows = len(node.attributes.get("intercepts", ())) or len(names)
    value = _gemm(chain, node, rows)
    pair = rows == 1 and len(names) == 2
    votes = ""
    if pair:
        # A single score is that of the second class, which ONNX Runtime chooses above 0 whatever follows.
        other = chain.op("Neg", value)
        if node.attributes.get("post_transform", "NONE") == "NONE":
            votes = chain.op("Concat", other, value, axis=1)
            other = chain.op("Sub", 1.0, value)
        value = chain.op("Concat", other, value, axis=1)
    return says_classes(chain, post_transform(chain, value, node, rows, pair=pair), node, names, votes)
