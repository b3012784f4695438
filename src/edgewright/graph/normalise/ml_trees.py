"""Tree ensembles of ai.onnx.ml: all trees walk down at once, one level a step, in plain operators.

Tables have a row for each node of the ensemble. A step gathers the feature and the threshold of the node that each
tree is at, compares, and gathers the next node; a leaf follows itself, so that after as many steps as the deepest tree
has levels every tree is at its leaf. 16 bytes a node and seven operators a level, where matrices of the paths would
take the square of the leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.draft import Chain, Draft, DraftNode, Rewritten, rewrite
from edgewright.graph.normalise._ml import as_float, class_names, post_transform, says_classes
from edgewright.schema.errors import InputError

ORDER = 30
# Deeper trees are lists of special cases; a level costs seven operators.
DEEPEST = 64
# Values of all leaves; more are a damaged file's.
_LARGEST = 1 << 24


def run(draft: Draft) -> None:
    """Rewrite TreeEnsembleClassifier and TreeEnsembleRegressor."""
    rewrite(draft, {"ai.onnx.ml.TreeEnsembleClassifier": _classifier, "ai.onnx.ml.TreeEnsembleRegressor": _regressor})


@dataclass(frozen=True)
class _Forest:
    """Tables by node: feature, threshold, node after yes and after no, whether a missing value means yes."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    yes: NDArray[np.int32]
    no: NDArray[np.int32]
    missing: NDArray[np.bool_]
    roots: NDArray[np.int32]
    depth: int
    index: dict[tuple[int, int], int]


def _forest(node: DraftNode) -> _Forest:
    given = node.attributes
    trees, ids = given.get("nodes_treeids", ()), given.get("nodes_nodeids", ())
    count = len(ids)
    modes = given.get("nodes_modes", ())
    tables = {name: given.get(f"nodes_{name}", ()) for name in ("featureids", "values", "truenodeids", "falsenodeids")}
    if not count or any(len(t) != count for t in (trees, modes, *tables.values())):
        raise InputError("tables of one length for the nodes of the trees", "others", node.where)
    location = {(int(t), int(i)): n for n, (t, i) in enumerate(zip(trees, ids, strict=True))}
    if len(location) != count:
        raise InputError("every node of a tree once", "one twice", node.where)
    here = np.arange(count, dtype=np.int32)
    feature = np.asarray(tables["featureids"], np.int64)
    threshold = np.asarray(tables["values"], np.float32).copy()
    tracks = given.get("nodes_missing_value_tracks_true") or (0,) * count
    if len(tracks) != count or feature.min() < 0 or feature.max() >= 2**31:
        raise InputError("tables of one length for the nodes of the trees", "others", node.where)
    missing = np.asarray(tracks, bool).copy()
    yes, no = here.copy(), here.copy()
    for n, mode in enumerate(modes):
        if mode == "LEAF":
            feature[n], missing[n] = 0, False
            threshold[n] = 0.0
            continue
        pair = [location.get((int(trees[n]), int(tables[key][n]))) for key in ("truenodeids", "falsenodeids")]
        if pair[0] is None or pair[1] is None or np.isnan(threshold[n]):
            raise InputError("nodes that lead to nodes of their tree", f"node {ids[n]} of tree {trees[n]}", node.where)
        threshold[n], turned = _as_at_most(str(mode), threshold[n], node)
        yes[n], no[n] = (pair[1], pair[0]) if turned else (pair[0], pair[1])
        # A missing value answers no to every comparison unless it is said to answer yes.
        missing[n] = missing[n] != turned
    roots = _roots(trees, location, yes, no, node)
    depth = _depth(yes, no, roots, node)
    return _Forest(feature.astype(np.int32), threshold, yes, no, missing, roots, depth, location)


def _as_at_most(mode: str, threshold: np.float32, node: DraftNode) -> tuple[np.float32, bool]:
    """Any comparison as 'at most' a threshold, and whether yes and no change places."""
    below = np.nextafter(threshold, np.float32(-np.inf), dtype=np.float32)
    known = {
        "BRANCH_LEQ": (threshold, False),
        "BRANCH_LT": (below, False),
        "BRANCH_GT": (threshold, True),
        "BRANCH_GTE": (below, True),
    }
    if mode not in known:
        raise InputError(f"splits by {', '.join(known)}", repr(mode), node.where, "Encode categories as numbers first")
    return known[mode]


def _roots(
    trees: Sequence[int],
    location: dict[tuple[int, int], int],
    yes: NDArray[np.int32],
    no: NDArray[np.int32],
    node: DraftNode,
) -> NDArray[np.int32]:
    """Return the node of each tree that no other node leads to."""
    here = np.arange(len(yes))
    led = np.zeros(len(yes), bool)
    led[yes[yes != here]] = True
    led[no[no != here]] = True
    by_tree: dict[int, list[int]] = {}
    for n in np.flatnonzero(~led):
        by_tree.setdefault(int(trees[int(n)]), []).append(int(n))
    if set(by_tree) != {tree for tree, _ in location} or any(len(roots) != 1 for roots in by_tree.values()):
        raise InputError("one root in each tree", "none or several", node.where)
    return np.asarray([roots[0] for _, roots in sorted(by_tree.items())], np.int32)


def _depth(yes: NDArray[np.int32], no: NDArray[np.int32], roots: NDArray[np.int32], node: DraftNode) -> int:
    """Step until every tree is at a leaf."""
    level, here = np.unique(roots), np.arange(len(yes), dtype=np.int32)
    for depth in range(DEEPEST + 1):
        inner = level[(yes[level] != here[level]) | (no[level] != here[level])]
        if not len(inner):
            return depth
        level = np.unique(np.concatenate([yes[inner], no[inner]]))
    raise InputError(f"trees of at most {DEEPEST} levels", "deeper ones or circles", node.where, "Limit max_depth")


def _leaves(chain: Chain, forest: _Forest, source: str) -> str:
    """Append the walk; give the numbers of the leaves, shape (n, trees), int32."""
    draft = chain.draft
    source = as_float(chain, source)
    feature, threshold = draft.constant(forest.feature), draft.constant(forest.threshold)
    yes, no = draft.constant(forest.yes), draft.constant(forest.no)
    missing = draft.constant(forest.missing) if forest.missing.any() else ""
    at = ""
    # Trees of a single leaf take one step too: a leaf follows itself, and the batch axis comes from the input.
    for _ in range(max(1, forest.depth)):
        if at:
            value = chain.op("GatherElements", source, chain.op("Gather", feature, at, axis=0), axis=1)
            limit = chain.op("Gather", threshold, at, axis=0)
            after = [chain.op("Gather", table, at, axis=0) for table in (yes, no)]
            empty = chain.op("Gather", missing, at, axis=0) if missing else ""
        else:
            # All trees are at their roots: one gather of columns, and the tables are constants.
            value = chain.op("Gather", source, forest.feature[forest.roots], axis=1)
            limit = draft.constant(forest.threshold[forest.roots])
            after = [draft.constant(table[forest.roots]) for table in (forest.yes, forest.no)]
            empty = draft.constant(forest.missing[forest.roots]) if missing else ""
        answer = chain.op("LessOrEqual", value, limit)
        if missing:
            answer = chain.op("Or", answer, chain.op("And", chain.op("IsNaN", value), empty))
        at = chain.op("Where", answer, *after)
    return at


def _scores(chain: Chain, node: DraftNode, forest: _Forest, prefix: str, width: int) -> str:
    """Return values of the leaves, summed or averaged over the trees, and the base values: (n, width)."""
    given = node.attributes
    if not 1 <= width * len(forest.yes) <= _LARGEST:
        raise InputError("trees with answers of sensible size", f"{width} a leaf", node.where)
    table = np.zeros((len(forest.yes), width), np.float64)
    parts = [given.get(f"{prefix}_{name}", ()) for name in ("treeids", "nodeids", "ids", "weights")]
    if len({len(part) for part in parts}) != 1:
        raise InputError("tables of one length for the leaves", "others", node.where)
    for tree, leaf, column, weight in zip(*parts, strict=True):
        row = forest.index.get((int(tree), int(leaf)))
        if row is None or not 0 <= int(column) < width:
            raise InputError("leaves of the trees", f"node {leaf} of tree {tree}", node.where)
        table[row, int(column)] += float(weight)
    if np.isnan(table).any():
        raise InputError("weights that are numbers", "not a number", node.where)
    values = chain.draft.constant(table.astype(np.float32))
    each = chain.op("Gather", values, _leaves(chain, forest, node.inputs[0]), axis=0)
    over = {"SUM": "ReduceSum", "AVERAGE": "ReduceMean"}.get(str(given.get("aggregate_function", "SUM")))
    if over is None:
        raise InputError("SUM or AVERAGE over the trees", repr(given["aggregate_function"]), node.where)
    total = chain.op(over, each, [1], keepdims=0)
    base = np.asarray(given.get("base_values") or (), np.float32)
    if base.size not in (0, width):
        raise InputError(f"{width} base values", str(base.size), node.where)
    return chain.op("Add", total, base) if base.any() else total


def _regressor(chain: Chain, node: DraftNode) -> Rewritten:
    width = int(node.attributes.get("n_targets", 1))
    value = _scores(chain, node, _forest(node), "target", width)
    targets = {int(target) for target in node.attributes.get("target_ids", ())}
    if 0 < len(targets) < width:
        # A converter that did not know of several targets; ONNX Runtime then leaves out the base value too.
        got = f"of {len(targets)} of {width}"
        raise InputError("leaves of each target", got, node.where, "Convert a model for each target")
    return post_transform(chain, value, node, width)


def _classifier(chain: Chain, node: DraftNode) -> Rewritten:
    names, given = class_names(node), node.attributes
    columns = {int(c) for c in given.get("class_ids", ())}
    forest = _forest(node)
    if len(names) != 2 or columns != {0}:
        scores = _scores(chain, node, forest, "class", len(names))
        return says_classes(chain, post_transform(chain, scores, node, len(names)), node, names)
    # Two classes with scores of the first only: by convention of converters and ONNX Runtime, that of the second class.
    # Weights that are never negative are then probabilities.
    score = _scores(chain, node, forest, "class", 1)
    if min(given["class_weights"]) >= 0 and given.get("post_transform", "NONE") == "NONE":
        value = chain.op("Concat", chain.op("Sub", 1.0, score), score, axis=1)
    else:
        value = chain.op("Concat", chain.op("Neg", score), score, axis=1)
        value = post_transform(chain, value, node, 1, pair=True)
    return says_classes(chain, value, node, names)
