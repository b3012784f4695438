"""Support vector machines of ai.onnx.ml: kernels as products with constant matrices, then votes and probabilities.

The differences to the support vectors are squared as they are; the shorter |x|^2 - 2xy + |y|^2 would lose the digits of
columns with a large offset. Votes, and the order in which equal ones count, are those of libsvm, which scikit-learn and
ONNX Runtime share. Probabilities of more than two classes are worked out as libsvm does (Wu, Lin and Weng, 2004,
Probability estimates for multi-class classification by pairwise coupling, second method).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import GraphError
from edgewright.graph.draft import Chain, Draft, DraftNode, Rewritten, rewrite
from edgewright.graph.normalise.machine_learning import as_float, class_names, post_transform, says_classes

# Products of support vectors with columns, or with pairs of classes; more are a damaged file's.
_LARGEST = 1 << 24
# Of libsvm: the least probability of a pair, and the error, times the classes, at which coupling stops.
_MIN_PROBABILITY, _ERROR = 1e-7, 0.005
# Rounds of coupling. libsvm allows 100; of 7,500 random tables of 2 to 10 classes none took more than 4.
_ROUNDS = 6
# Each round costs twelve operators a class.
_MOST_CLASSES = 20
# Degrees whose powers are products, which every target has.
_PRODUCTS = frozenset({1.0, 2.0, 3.0, 4.0, 5.0})
Floats = NDArray[np.float32]


def convert_support_vectors(draft: Draft) -> None:
    """Rewrite SVMClassifier and SVMRegressor."""
    rewrite(draft, {"ai.onnx.ml.SVMClassifier": _classifier, "ai.onnx.ml.SVMRegressor": _regressor})


def _kernel(chain: Chain, node: DraftNode, vectors: Floats, kind: str = "") -> str:
    """Return the kernel of every row with every vector, shape (n, vectors); `kind` in place of that of the node."""
    kind = kind or str(node.attributes.get("kernel_type", "LINEAR"))
    gamma, offset, degree = (float(v) for v in (*node.attributes.get("kernel_params", ()), 0.0, 0.0, 0.0)[:3])
    source = as_float(chain, node.inputs[0])
    if kind == "RBF":
        distances = chain.op("Sub", chain.op("Unsqueeze", source, [1]), vectors)
        squares = chain.op("ReduceSum", chain.op("Mul", distances, distances), [2], keepdims=0)
        return chain.op("Exp", chain.op("Mul", squares, -gamma))
    if kind not in ("LINEAR", "POLY", "SIGMOID"):
        raise GraphError("kernel_type LINEAR, POLY, RBF or SIGMOID", repr(kind), node.where)
    products = chain.op("MatMul", source, np.ascontiguousarray(vectors.T))
    if kind == "LINEAR":
        return products
    inner = chain.op("Add", chain.op("Mul", products, gamma), offset)
    if kind == "SIGMOID":
        return chain.op("Tanh", inner)
    if degree not in _PRODUCTS:
        return chain.op("Pow", inner, degree)
    power = inner
    for _ in range(int(degree) - 1):
        power = chain.op("Mul", power, inner)
    return power


def _vectors(node: DraftNode, count: int) -> Floats:
    """Return rows of `support_vectors`.

    Raises:
        InputError: for a number that does not divide.
    """
    values = np.asarray(node.attributes.get("support_vectors", ()), np.float32)
    if count < 1 or not values.size or values.size % count or values.size > _LARGEST:
        raise GraphError(f"support vectors for {count} coefficients", f"{values.size} numbers", node.where)
    return values.reshape(count, -1)


def _numbers(node: DraftNode, name: str, count: int) -> Floats:
    values = np.asarray(node.attributes.get(name, ()), np.float32)
    if values.size != count:
        raise GraphError(f"{count} numbers in {name}", str(values.size), node.where)
    return values


def _regressor(chain: Chain, node: DraftNode) -> Rewritten:
    given = node.attributes
    weights = np.asarray(given.get("coefficients", ()), np.float32)
    count = int(given.get("n_supports", 0))
    if count:
        weights = _numbers(node, "coefficients", count)
        similar = _kernel(chain, node, _vectors(node, count))
        value = chain.op("MatMul", similar, weights.reshape(-1, 1))
    elif weights.size:
        # Without support vectors the coefficients are the one vector, and ONNX Runtime asks for no other kernel.
        value = _kernel(chain, node, weights.reshape(1, -1), "LINEAR")
    else:
        raise GraphError("coefficients", "none", node.where)
    value = chain.op("Add", value, _numbers(node, "rho", 1))
    if given.get("one_class", 0):
        above = chain.op("Greater", value, 0.0)
        value = chain.op("Where", above, 1.0, -1.0)
    return post_transform(chain, value, node, 1)


def _classifier(chain: Chain, node: DraftNode) -> Rewritten:
    names = class_names(node)
    counts = tuple(int(n) for n in node.attributes.get("vectors_per_class", ()))
    if not counts:
        return _linear(chain, node, names)
    if len(counts) != len(names) or min(counts) < 0 or len(names) < 2:
        raise GraphError(f"support vectors of {len(names)} classes", f"of {len(counts)}", node.where)
    pairs = list(itertools.combinations(range(len(names)), 2))
    rho = _numbers(node, "rho", len(pairs))
    scores = chain.op("MatMul", _kernel(chain, node, _vectors(node, sum(counts))), _weights(node, counts))
    scores = chain.op("Add", scores, rho)
    votes = _votes(chain, scores, pairs, len(names))
    if node.attributes.get("prob_a"):
        value = _probabilities(chain, node, scores, pairs, len(names))
    elif len(names) == 2:
        # One score: above 0 it says the first class.
        value = chain.op("Concat", scores, chain.op("Neg", scores), axis=1)
    else:
        value = scores
    single = len(names) == 2 and not node.attributes.get("prob_a")
    value = post_transform(chain, value, node, 1 if single else len(names), pair=single)
    return says_classes(chain, value, node, names, votes)


def _linear(chain: Chain, node: DraftNode, names: tuple[str, ...]) -> list[DraftNode]:
    """Without support vectors there is one vector of coefficients for each class."""
    weights = np.asarray(node.attributes.get("coefficients", ()), np.float32)
    rho = np.asarray(node.attributes.get("rho", ()), np.float32)
    if not weights.size or weights.size % len(names) or not rho.size:
        raise GraphError(f"coefficients for {len(names)} classes, and rho", f"{weights.size} numbers", node.where)
    value = _kernel(chain, node, weights.reshape(len(names), -1), "LINEAR")
    value = chain.op("Add", value, float(rho[0]))
    return says_classes(chain, post_transform(chain, value, node, len(names)), node, names)


def _weights(node: DraftNode, counts: tuple[int, ...]) -> Floats:
    """Return the coefficients that a support vector has in each pair of classes: (vectors, pairs).

    libsvm keeps a row for each of the other classes: that of i against j stands in row j - 1, that of j in row i.
    """
    whole, classes = sum(counts), len(counts)
    if whole * classes * classes > _LARGEST:
        raise GraphError("support vectors of sensible number", f"{whole} of {classes} classes", node.where)
    rows = _numbers(node, "coefficients", whole * (classes - 1)).reshape(classes - 1, whole)
    ends = np.cumsum((0, *counts))
    pairs = list(itertools.combinations(range(classes), 2))
    weights = np.zeros((whole, len(pairs)), np.float32)
    for index, (i, j) in enumerate(pairs):
        for own, row in ((i, j - 1), (j, i)):
            weights[ends[own] : ends[own + 1], index] = rows[row, ends[own] : ends[own + 1]]
    return weights


def _votes(chain: Chain, scores: str, pairs: list[tuple[int, int]], classes: int) -> str:
    """For each pair a vote for the first class where its score is above 0, else for the second: (n, classes)."""
    turned = np.zeros((len(pairs), classes), np.float32)
    second = np.zeros(classes, np.float32)
    for index, (i, j) in enumerate(pairs):
        turned[index, i], turned[index, j] = 1, -1
        second[j] += 1
    above = chain.op("Cast", chain.op("Greater", scores, 0.0), to=1)
    return chain.op("Add", chain.op("MatMul", above, turned), second)


def _probabilities(chain: Chain, node: DraftNode, scores: str, pairs: list[tuple[int, int]], classes: int) -> str:
    """Platt's probability of each pair, coupled to one of each class."""
    if classes > _MOST_CLASSES:
        raise GraphError(
            f"probabilities of at most {_MOST_CLASSES} classes", str(classes), node.where, "Train without probability"
        )
    slope, start = (chain.draft.constant(-_numbers(node, name, len(pairs))) for name in ("prob_a", "prob_b"))
    first = chain.op("Sigmoid", chain.op("Add", chain.op("Mul", scores, slope), start))
    first = chain.op("Clip", first, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    # Row i of the table holds the probabilities of i against the others, column i those of the others against it.
    given = np.zeros((len(pairs), classes, classes), np.float32)
    start_at = np.zeros((classes, classes), np.float32)
    for index, (i, j) in enumerate(pairs):
        given[index, i, j], given[index, j, i] = 1, -1
        start_at[j, i] = 1
    flat = (len(pairs), classes * classes)
    table = chain.op("Add", chain.op("MatMul", first, given.reshape(flat)), start_at.ravel())
    turned = given.transpose(0, 2, 1).reshape(flat)
    turned_table = chain.op("Add", chain.op("MatMul", first, turned), start_at.T.ravel())
    return _coupled(chain, table, turned_table, classes)


def _coupled(chain: Chain, table: str, turned: str, classes: int) -> str:
    """Return probabilities p of the classes that make p'Qp least, by as many rounds of Gauss and Seidel as are needed.

    Q[i, i] is the sum of the squares of column i of the table, Q[i, j] = -table[j, i] * table[i, j].
    """
    draft, unit = chain.draft, np.float32(1)
    diagonal = np.zeros((classes, classes, classes, classes), np.float32)
    rows = np.zeros((classes, classes, classes), np.float32)
    for i in range(classes):
        diagonal[i, :, i, i] = unit
        rows[i, :, i] = unit / classes
    square = classes * classes
    q = chain.op(
        "Sub",
        chain.op("MatMul", chain.op("Mul", turned, turned), diagonal.reshape(square, square)),
        chain.op("Mul", table, turned),
    )
    axis, last = draft.integers([1]), [draft.integers([n]) for n in range(square + 1)]
    row = [chain.op("Slice", q, last[i * classes], last[(i + 1) * classes], axis) for i in range(classes)]
    own = [chain.op("Slice", q, last[i * (classes + 1)], last[i * (classes + 1) + 1], axis) for i in range(classes)]
    units = [draft.constant(line) for line in np.eye(classes, dtype=np.float32)]
    stop, unity = draft.floats(_ERROR / classes), draft.floats(1.0)
    sums = chain.op("MatMul", q, rows.reshape(square, classes))
    p = draft.constant(np.full((1, classes), unit / classes, np.float32))

    def product(p: str, sums: str) -> str:
        return chain.op("ReduceSum", chain.op("Mul", p, sums), axis, keepdims=1)

    for _ in range(_ROUNDS):
        before, whole = (p, sums), product(p, sums)
        error = chain.op("ReduceMax", chain.op("Abs", chain.op("Sub", sums, whole)), axis, keepdims=1)
        done = chain.op("Less", error, stop)
        for i in range(classes):
            part = chain.op("Slice", sums, last[i], last[i + 1], axis)
            step = chain.op("Div", chain.op("Sub", whole, part), own[i])
            scale = chain.op("Add", step, unity)
            p = chain.op("Div", chain.op("Add", p, chain.op("Mul", step, units[i])), scale)
            sums = chain.op("Div", chain.op("Add", sums, chain.op("Mul", step, row[i])), scale)
            whole = product(p, sums) if i < classes - 1 else whole
        p, sums = (chain.op("Where", done, old, new) for old, new in zip(before, (p, sums), strict=True))
    return p
