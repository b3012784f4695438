"""Passes over operators of ai.onnx.ml: linear models, preprocessing, tree ensembles, class names and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import GraphError
from edgewright.core.records.network import Array
from edgewright.graph.draft import Chain, Draft, DraftNode, Rewritten, rewrite


def class_names(node: DraftNode) -> tuple[str, ...]:
    """Return names of the classes, from whichever attribute has them; integers as text."""
    for key in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
        names = node.attributes.get(key)
        if names:
            return tuple(str(name) for name in names)
    raise GraphError("names or numbers of the classes", "none", node.where)


def as_float(chain: Chain, name: str) -> str:
    """Convert a value of any numeric type to float32; the pass `casts` removes the Cast of a float32 value."""
    return chain.op("Cast", name, to=1)


def post_transform(chain: Chain, value: str, node: DraftNode, scores: int, *, pair: bool = False) -> str:
    """Apply `post_transform`.

    Args:
        chain: receives the operator.
        value: scores, shape (n, classes or targets).
        node: operator with the attribute.
        scores: number of scores that the operator computes for a row.
        pair: whether a single score was extended to those of two classes.

    Raises:
        InputError: for PROBIT and SOFTMAX_ZERO, and where ONNX Runtime deviates from the standard: it leaves a single
            score as it is, except for LOGISTIC of two classes.
    """
    kind = node.attributes.get("post_transform", "NONE")
    if kind == "NONE":
        return value
    if scores == 1 and kind in ("LOGISTIC", "SOFTMAX") and not (pair and kind == "LOGISTIC"):
        raise GraphError(
            "post_transform NONE for a single score", repr(kind), node.where,
            "ONNX Runtime ignores it there: export the model with a Sigmoid or Softmax of its own",
        )  # fmt: skip
    if kind == "LOGISTIC":
        return chain.op("Sigmoid", value)
    if kind == "SOFTMAX":
        return chain.op("Softmax", value, axis=-1)
    raise GraphError("post_transform NONE, LOGISTIC or SOFTMAX", repr(kind), node.where)


def says_classes(chain: Chain, value: str, node: DraftNode, names: tuple[str, ...], votes: str = "") -> list[DraftNode]:
    """End a classifier: output 0, its label, becomes the index of the largest score; output 1 gives the scores.

    Args:
        chain: nodes so far.
        value: scores, shape (n, classes).
        node: classifier.
        names: of the classes.
        votes: value whose largest entry is the label, where that is not the largest score.
    """
    draft = chain.draft
    draft.names.append(names)
    scores = node.outputs[1] if len(node.outputs) > 1 and node.outputs[1] else draft.fresh("scores")
    nodes = chain.end(value, scores)
    if node.outputs[0]:
        nodes.append(DraftNode("ArgMax", [votes or scores], [node.outputs[0]], {"axis": 1, "keepdims": 0}))
    return nodes


def convert_linear_models(draft: Draft) -> None:
    """Rewrite LinearClassifier and LinearRegressor."""
    rewrite(draft, {"ai.onnx.ml.LinearClassifier": _linear_classifier, "ai.onnx.ml.LinearRegressor": _linear_regressor})


def _gemm(chain: Chain, node: DraftNode, rows: int) -> str:
    coefficients = np.asarray(node.attributes.get("coefficients", ()), np.float32)
    if rows < 1 or not coefficients.size or coefficients.size % rows:
        raise GraphError(f"coefficients for {rows} outputs", str(coefficients.size), node.where)
    bias: Any = node.attributes.get("intercepts") or np.zeros(rows)
    weights = np.ascontiguousarray(coefficients.reshape(rows, -1).T)
    return chain.op("Gemm", as_float(chain, node.inputs[0]), weights, np.asarray(bias, np.float32).reshape(-1))


def _linear_regressor(chain: Chain, node: DraftNode) -> str:
    targets = int(node.attributes.get("targets", 1))
    return post_transform(chain, _gemm(chain, node, targets), node, targets)


def _linear_classifier(chain: Chain, node: DraftNode) -> list[DraftNode]:
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


def convert_preprocessing(draft: Draft) -> None:
    """Rewrite them into plain operators."""
    rules = {
        "Scaler": _scaler,
        "Imputer": _imputer,
        "Normalizer": _normaliser,
        "Binarizer": _binarizer,
        "ArrayFeatureExtractor": _columns,
        "FeatureVectorizer": _vectorizer,
        "OneHotEncoder": _one_hot,
    }
    rewrite(draft, {f"ai.onnx.ml.{name}": rule for name, rule in rules.items()})


def _vector(values: object) -> Array:
    return np.asarray(values, np.float32).reshape(-1)


def _scaler(chain: Chain, node: DraftNode) -> str:
    """(x - offset) * scale."""
    value = as_float(chain, node.inputs[0])
    value = chain.op("Sub", value, _vector(node.attributes.get("offset", (0.0,))))
    return chain.op("Mul", value, _vector(node.attributes.get("scale", (1.0,))))


def _imputer(chain: Chain, node: DraftNode) -> str:
    filled = node.attributes.get("imputed_value_floats") or node.attributes.get("imputed_value_int64s")
    if not filled:
        raise GraphError("values to fill in", "none", node.where)
    integers = "imputed_value_floats" not in node.attributes
    replaced = node.attributes.get("replaced_value_int64" if integers else "replaced_value_float", 0)
    dtype = np.int64 if integers else np.float32
    if isinstance(replaced, float) and np.isnan(replaced):
        missing = chain.op("IsNaN", node.inputs[0])
    else:
        missing = chain.op("Equal", node.inputs[0], np.asarray(replaced, dtype))
    return chain.op("Where", missing, np.asarray(filled, dtype).reshape(-1), node.inputs[0])


def _normaliser(chain: Chain, node: DraftNode) -> str:
    """Return rows divided by their norm; a row whose norm is 0 stays as it is, as ONNX Runtime has it."""
    kind = str(node.attributes.get("norm", "MAX"))
    over = {"L1": "ReduceL1", "L2": "ReduceL2", "MAX": "ReduceMax"}.get(kind)
    if over is None:
        raise GraphError("norm MAX, L1 or L2", repr(kind), node.where)
    value = as_float(chain, node.inputs[0])
    norm = chain.op(over, value, [1], keepdims=1)
    norm = chain.op("Where", chain.op("Equal", norm, 0.0), 1.0, norm)
    return chain.op("Div", value, norm)


def _binarizer(chain: Chain, node: DraftNode) -> str:
    return chain.op("Cast", chain.op("Greater", node.inputs[0], float(node.attributes.get("threshold", 0.0))), to=1)


def _columns(chain: Chain, node: DraftNode) -> str:
    """Select entries of the last axis, or look up entries of a constant table by a computed index.

    A table of text holds names of classes: the index takes its place, and `answers` removes it.

    Raises:
        InputError: for a computed index into computed values.
    """
    draft = chain.draft
    table, places = (draft.array(name) for name in node.inputs)
    if table is not None and table.dtype == object:
        draft.names.insert(0, tuple(str(name) for name in table.ravel().tolist()))
        return chain.op("Identity", node.inputs[1])
    if places is not None:
        value = node.inputs[0] if table is None or table.ndim > 1 else table.reshape(1, -1)
        return chain.op("Gather", value, places.astype(np.int64).ravel(), axis=-1)
    if table is None or table.size != table.shape[-1]:
        raise GraphError("a constant table of one row, or constant numbers of columns", "others", node.where)
    index = chain.op("Reshape", node.inputs[1], [-1])
    return chain.op("Reshape", chain.op("Gather", table.ravel(), index, axis=0), [1, -1])


def _vectorizer(chain: Chain, node: DraftNode) -> str:
    """Join columns; an input of another width than `inputdimensions` states fails at the Concat."""
    widths = node.attributes.get("inputdimensions") or (0,) * len(node.inputs)
    if len(widths) != len(node.inputs):
        raise GraphError(f"widths of {len(node.inputs)} inputs", str(len(widths)), node.where)
    parts = [as_float(chain, name) for name in node.inputs]
    return chain.op(
        "Concat",
        *(chain.op("Reshape", part, [-1, int(width)]) if width else part
          for part, width in zip(parts, widths, strict=True)),
        axis=1,
    )  # fmt: skip


def _one_hot(chain: Chain, node: DraftNode) -> str:
    """Return 1 where the value equals the category; a value that is not a category gives zeros."""
    numbers = node.attributes.get("cats_int64s")
    if not numbers or not node.attributes.get("zeros", 1):
        raise GraphError("categories that are numbers, and zeros for unknown ones", "others", node.where)
    if any(int(np.float32(number)) != number for number in numbers):
        raise GraphError("categories that float32 can hold", f"{max(numbers, key=abs)}", node.where)
    value, source = node.inputs[0], chain.draft.source
    if value != source.name or source.dtype == "float32":
        # The standard casts a real number to an integer, which cuts its fraction off.
        value = chain.op("Cast", value, to=6)
    last = chain.op("Unsqueeze", as_float(chain, value), [-1])
    return as_float(chain, chain.op("Equal", last, _vector(numbers)))


# Deeper trees are lists of special cases; a level costs seven operators.
DEEPEST = 64
# Values of all leaves; more are a damaged file's.
_LARGEST = 1 << 24


def convert_tree_ensembles(draft: Draft) -> None:
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
        raise GraphError("tables of one length for the nodes of the trees", "others", node.where)
    location = {(int(t), int(i)): n for n, (t, i) in enumerate(zip(trees, ids, strict=True))}
    if len(location) != count:
        raise GraphError("every node of a tree once", "one twice", node.where)
    here = np.arange(count, dtype=np.int32)
    feature = np.asarray(tables["featureids"], np.int64)
    threshold = np.asarray(tables["values"], np.float32).copy()
    tracks = given.get("nodes_missing_value_tracks_true") or (0,) * count
    if len(tracks) != count or feature.min() < 0 or feature.max() >= 2**31:
        raise GraphError("tables of one length for the nodes of the trees", "others", node.where)
    missing = np.asarray(tracks, bool).copy()
    yes, no = here.copy(), here.copy()
    for n, mode in enumerate(modes):
        if mode == "LEAF":
            feature[n], missing[n] = 0, False
            threshold[n] = 0.0
            continue
        pair = [location.get((int(trees[n]), int(tables[key][n]))) for key in ("truenodeids", "falsenodeids")]
        if pair[0] is None or pair[1] is None or np.isnan(threshold[n]):
            raise GraphError("nodes that lead to nodes of their tree", f"node {ids[n]} of tree {trees[n]}", node.where)
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
        raise GraphError(f"splits by {', '.join(known)}", repr(mode), node.where, "Encode categories as numbers first")
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
        raise GraphError("one root in each tree", "none or several", node.where)
    return np.asarray([roots[0] for _, roots in sorted(by_tree.items())], np.int32)


def _depth(yes: NDArray[np.int32], no: NDArray[np.int32], roots: NDArray[np.int32], node: DraftNode) -> int:
    """Step until every tree is at a leaf."""
    level, here = np.unique(roots), np.arange(len(yes), dtype=np.int32)
    for depth in range(DEEPEST + 1):
        inner = level[(yes[level] != here[level]) | (no[level] != here[level])]
        if not len(inner):
            return depth
        level = np.unique(np.concatenate([yes[inner], no[inner]]))
    raise GraphError(f"trees of at most {DEEPEST} levels", "deeper ones or circles", node.where, "Limit max_depth")


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
        raise GraphError("trees with answers of sensible size", f"{width} a leaf", node.where)
    table = np.zeros((len(forest.yes), width), np.float64)
    parts = [given.get(f"{prefix}_{name}", ()) for name in ("treeids", "nodeids", "ids", "weights")]
    if len({len(part) for part in parts}) != 1:
        raise GraphError("tables of one length for the leaves", "others", node.where)
    for tree, leaf, column, weight in zip(*parts, strict=True):
        row = forest.index.get((int(tree), int(leaf)))
        if row is None or not 0 <= int(column) < width:
            raise GraphError("leaves of the trees", f"node {leaf} of tree {tree}", node.where)
        table[row, int(column)] += float(weight)
    if np.isnan(table).any():
        raise GraphError("weights that are numbers", "not a number", node.where)
    values = chain.draft.constant(table.astype(np.float32))
    each = chain.op("Gather", values, _leaves(chain, forest, node.inputs[0]), axis=0)
    over = {"SUM": "ReduceSum", "AVERAGE": "ReduceMean"}.get(str(given.get("aggregate_function", "SUM")))
    if over is None:
        raise GraphError("SUM or AVERAGE over the trees", repr(given["aggregate_function"]), node.where)
    total = chain.op(over, each, [1], keepdims=0)
    base = np.asarray(given.get("base_values") or (), np.float32)
    if base.size not in (0, width):
        raise GraphError(f"{width} base values", str(base.size), node.where)
    return chain.op("Add", total, base) if base.any() else total


def _regressor(chain: Chain, node: DraftNode) -> Rewritten:
    width = int(node.attributes.get("n_targets", 1))
    value = _scores(chain, node, _forest(node), "target", width)
    targets = {int(target) for target in node.attributes.get("target_ids", ())}
    if 0 < len(targets) < width:
        # A converter that did not know of several targets; ONNX Runtime then leaves out the base value too.
        got = f"of {len(targets)} of {width}"
        raise GraphError("leaves of each target", got, node.where, "Convert a model for each target")
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


# Operators between the place of the largest score and the label.
_TO_LABEL = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "ai.onnx.ml.LabelEncoder"})


def convert_class_outputs(draft: Draft) -> None:
    """Find labels and probabilities among the outputs and leave the probabilities."""
    for node in draft.nodes:
        if node.kind == "ai.onnx.ml.ZipMap":
            draft.names.insert(0, class_names(node))
            node.op, node.domain, node.attributes = "Identity", "", {}
        elif node.kind == "ai.onnx.ml.LabelEncoder":
            names = node.attributes.get("values_strings") or node.attributes.get("values_int64s") or ()
            draft.names.append(tuple(str(name) for name in names))
    producers = draft.producers()
    label_sources = {name: _label_of(name, producers, draft) for name in draft.outputs}
    rest = [name for name, (node, _) in label_sources.items() if node is None]
    votes = [node.inputs[0] for node, _ in label_sources.values() if node is not None]
    if len(rest) == 1:
        draft.names[:0] = [names for _, names in label_sources.values() if names]
    own = votes[:1] == [_source_of(name, producers) for name in rest]
    if len(rest) == 1 and draft.names:
        draft.probabilities = rest[0]
        if votes and not own:
            draft.votes = votes[0]
    if rest and len(rest) < len(draft.outputs) and (own or draft.names):
        draft.keep_outputs(rest)


def _source_of(name: str, producers: dict[str, DraftNode]) -> str:
    """Return the value that another one is under a further name."""
    for _ in range(len(producers)):
        node = producers.get(name)
        if node is None or node.kind not in ("Identity", "Cast"):
            break
        name = node.inputs[0]
    return name


def _label_of(name: str, producers: dict[str, DraftNode], draft: Draft) -> tuple[DraftNode | None, tuple[str, ...]]:
    """Return the ArgMax that a label comes from, None for any other value, and the table of integers it looks up."""
    node, passed, names = producers.get(name), set[str](), tuple[str, ...]()
    while node is not None and node.inputs and node.kind != "ArgMax":
        table = _table(node, draft)
        # Nodes of a damaged file may stand in a ring.
        if (node.kind not in _TO_LABEL and table is None) or node.outputs[0] in passed:
            return None, ()
        passed.add(node.outputs[0])
        names = names if table is None else tuple(str(entry) for entry in table.ravel().tolist())
        node = producers.get(node.inputs[0 if table is None else 1])
    return (None, ()) if node is None else (node, names)


def _table(node: DraftNode, draft: Draft) -> Array | None:
    """Return the constant integers that a Gather looks up by a computed index."""
    table = draft.array(node.inputs[0]) if node.kind == "Gather" and len(node.inputs) == 2 else None
    integers = table is not None and table.dtype.kind in "iu" and draft.array(node.inputs[1]) is None
    return table if integers else None
