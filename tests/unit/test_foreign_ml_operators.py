"""Operators of `ai.onnx.ml` with random attributes: read with the values of ONNX Runtime, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from edgewright.core.errors import GraphError, OnnxError
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.from_onnx import read_model
from foreign import absent_forms, answers, model, node

DOMAIN = "ai.onnx.ml"
# Each draw has random attributes: ten of each operator are fast.
SEEDS = [*range(10), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(10, 25))]
Rng = np.random.Generator


class Case(NamedTuple):
    """Nodes on the input `x` of a number of columns; classifiers give `l` and `y`."""

    nodes: list[Any]
    constants: dict[str, Any] = {}  # noqa: RUF012 - never changed
    classes: tuple[int, ...] = ()
    dtype: int = TensorProto.FLOAT

    def bytes(self, columns: int) -> bytes:
        outputs = ("l", "y") if self.classes else ("y",)
        return model(
            self.nodes, ["n", columns], constants=self.constants, outputs=outputs, domains=(DOMAIN,), dtype=self.dtype
        )


def ml(op: str, inputs: str = "x", outputs: str = "y", /, **attributes: Any) -> Any:  # noqa: ANN401 - a node
    return node(op, inputs.split(), outputs.split(), domain=DOMAIN, **attributes)


def floats(rng: Rng, *shape: int) -> Any:  # noqa: ANN401 - nested lists
    return rng.normal(0, 1.5, shape).astype(np.float32).tolist()


def pick(rng: Rng, *values: str) -> str:
    return str(rng.choice(values))


def labels(rng: Rng, count: int) -> tuple[int, ...]:
    return tuple(rng.choice(50, count, replace=False).tolist())


def scaler(rng: Rng, columns: int) -> Case:
    each = columns if rng.random() < 0.7 else 1
    dtype = TensorProto.INT64 if rng.random() < 0.3 else TensorProto.FLOAT
    return Case([ml("Scaler", offset=floats(rng, each), scale=floats(rng, each))], dtype=dtype)


def imputer(rng: Rng, columns: int) -> Case:
    each = columns if rng.random() < 0.6 else 1
    missing = float("nan") if rng.random() < 0.6 else 1.0
    return Case([ml("Imputer", imputed_value_floats=floats(rng, each), replaced_value_float=missing)])


def normalizer(rng: Rng, columns: int) -> Case:
    return Case([ml("Normalizer", norm=pick(rng, "MAX", "L1", "L2"))])


def binarizer(rng: Rng, columns: int) -> Case:
    return Case([ml("Binarizer", threshold=float(rng.integers(-1, 2)))])


def extractor(rng: Rng, columns: int) -> Case:
    return Case([ml("ArrayFeatureExtractor", "x i")], {"i": rng.integers(0, columns, int(rng.integers(1, 5)))})


def look_up(rng: Rng, columns: int) -> Case:
    """Write a table with an index that other nodes compute, as isotonic calibration has it."""
    count = int(rng.integers(2, 6))
    table = np.asarray(floats(rng, count)) * 3
    table = table.astype(rng.choice([np.float32, np.int64, np.int32]))  # type: ignore[arg-type]
    constants = {
        "table": table[None] if rng.random() < 0.5 else table,
        "grid": np.asarray(floats(rng, columns, count), np.float32),
        "flat": np.asarray([-1]),
        "column": np.asarray([-1, 1]),
    }
    chosen = node(pick(rng, "ArgMax", "ArgMin"), ["d"], ["p"], axis=1, keepdims=int(rng.integers(0, 2)))
    nodes = [
        node("MatMul", ["x", "grid"], ["d"]),
        chosen,
        node("Reshape", ["p", "flat"], ["i"]),
        ml("ArrayFeatureExtractor", "table i", "t"),
        node("Cast", ["t"], ["f"], to=TensorProto.FLOAT),
        node("Reshape", ["f", "column"], ["y"]),
    ]
    return Case(nodes, constants)


def vectorizer(rng: Rng, columns: int) -> Case:
    first = int(rng.integers(1, columns))
    cuts = {"zero": [0], "middle": [first], "end": [columns], "axis": [1]}
    nodes = [
        node("Slice", ["x", "zero", "middle", "axis"], ["a"]),
        node("Slice", ["x", "middle", "end", "axis"], ["b"]),
        ml("FeatureVectorizer", "a b", inputdimensions=[first, columns - first]),
    ]
    return Case(nodes, {name: np.asarray(value) for name, value in cuts.items()})


def one_hot(rng: Rng, columns: int) -> Case:
    categories = rng.choice(np.arange(-3, 4), int(rng.integers(1, 5)), replace=False).tolist()
    dtype = TensorProto.INT64 if rng.random() < 0.4 else TensorProto.FLOAT
    return Case([ml("OneHotEncoder", cats_int64s=categories)], dtype=dtype)


def linear_regressor(rng: Rng, columns: int) -> Case:
    targets = int(rng.integers(1, 4))
    link = pick(rng, "NONE", "LOGISTIC") if targets > 1 else "NONE"
    start = {"intercepts": floats(rng, targets)} if rng.random() < 0.7 else {}
    weights = floats(rng, targets * columns)
    return Case([ml("LinearRegressor", coefficients=weights, targets=targets, post_transform=link, **start)])


def linear_classifier(rng: Rng, columns: int) -> Case:
    names = labels(rng, int(rng.integers(2, 5)))
    rows = 1 if len(names) == 2 and rng.random() < 0.6 else len(names)
    link = pick(rng, "NONE", "LOGISTIC") if rows == 1 else pick(rng, "NONE", "LOGISTIC", "SOFTMAX")
    settings = {"post_transform": link, "classlabels_ints": names, "multi_class": int(rng.integers(0, 2))}
    weights = {"coefficients": floats(rng, rows * columns), "intercepts": floats(rng, rows)}
    return Case([ml("LinearClassifier", "x", "l y", **weights, **settings)], classes=names)


def trees(rng: Rng, columns: int, prefix: str, scores: int, *, positive: bool = False) -> dict[str, Any]:
    """Return tables of trees of up to 3 levels; some are a single leaf, and all modes of comparison are mixed."""
    names = ("treeids", "nodeids", "modes", "featureids", "values", "missing_value_tracks_true")
    ways = ("truenodeids", "falsenodeids")
    tables: dict[str, Any] = {f"nodes_{name}": [] for name in (*names, *ways)}
    leaves: list[tuple[int, int, int, float]] = []

    def grow(tree: int, number: int, depth: int) -> int:
        """Write a node; return the next free number."""
        leaf = depth == 0 or rng.random() < 0.2
        mode = "LEAF" if leaf else pick(rng, "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT")
        entries = (tree, number, mode, int(rng.integers(0, columns)), float(rng.integers(-2, 3)), rng.integers(0, 2))
        for name, entry in zip(names, entries, strict=True):
            tables[f"nodes_{name}"].append(entry)
        index = len(tables["nodes_nodeids"]) - 1
        for way in ways:
            tables[f"nodes_{way}"].append(0)
        if leaf:
            weights = np.asarray(floats(rng, scores))
            leaves.extend((tree, number, n, w) for n, w in enumerate((abs(weights) if positive else weights).tolist()))
            return number + 1
        free = number + 1
        for way in ways:
            tables[f"nodes_{way}"][index] = free
            free = grow(tree, free, depth - 1)
        return free

    for tree in range(int(rng.integers(1, 5))):
        grow(tree, 0, int(rng.integers(0, 4)))
    for name, column in zip(("treeids", "nodeids", "ids", "weights"), zip(*leaves, strict=True), strict=True):
        tables[f"{prefix}_{name}"] = list(column)
    if rng.random() < 0.3:
        del tables["nodes_missing_value_tracks_true"]
    return tables


def tree_regressor(rng: Rng, columns: int) -> Case:
    targets = int(rng.integers(1, 4))
    tables = trees(rng, columns, "target", targets)
    link = pick(rng, "NONE", "LOGISTIC") if targets > 1 else "NONE"
    settings = {"aggregate_function": pick(rng, "SUM", "AVERAGE"), "post_transform": link, "n_targets": targets}
    base = {"base_values": floats(rng, targets)} if rng.random() < 0.5 else {}
    return Case([ml("TreeEnsembleRegressor", **tables, **settings, **base)])


def tree_classifier(rng: Rng, columns: int) -> Case:
    names = labels(rng, int(rng.integers(2, 5)))
    scores = 1 if len(names) == 2 else len(names)
    positive = rng.random() < 0.4
    tables = trees(rng, columns, "class", scores, positive=positive)
    links = ("NONE",) if scores == 1 and positive else ("NONE", "LOGISTIC", *(("SOFTMAX",) if scores > 1 else ()))
    base = {"base_values": floats(rng, scores)} if rng.random() < 0.5 else {}
    settings = {"post_transform": pick(rng, *links), "classlabels_int64s": names}
    return Case([ml("TreeEnsembleClassifier", "x", "l y", **tables, **settings, **base)], classes=names)


def kernel(rng: Rng) -> dict[str, Any]:
    parameters = [float(rng.uniform(0.05, 0.3)), float(rng.normal()), float(rng.integers(1, 4))]
    return {"kernel_type": pick(rng, "LINEAR", "POLY", "RBF", "SIGMOID"), "kernel_params": parameters}


def vector_regressor(rng: Rng, columns: int) -> Case:
    count = int(rng.integers(1, 6))
    vectors = {"support_vectors": floats(rng, count * columns), "coefficients": floats(rng, count), "n_supports": count}
    return Case([ml("SVMRegressor", **kernel(rng), **vectors, rho=floats(rng, 1), one_class=int(rng.random() < 0.2))])


def vector_classifier(rng: Rng, columns: int) -> Case:
    """Write probabilities: without them ONNX Runtime swaps two classes, and gives more a score for each pair."""
    names = labels(rng, int(rng.integers(2, 5)))
    counts, pairs = rng.integers(1, 4, len(names)).tolist(), len(names) * (len(names) - 1) // 2
    weights = {
        "support_vectors": floats(rng, sum(counts) * columns),
        "coefficients": floats(rng, sum(counts) * (len(names) - 1)),
        "vectors_per_class": counts,
        "rho": floats(rng, pairs),
        "prob_a": rng.uniform(-2, -0.1, pairs).tolist(),
        "prob_b": floats(rng, pairs),
    }
    return Case([ml("SVMClassifier", "x", "l y", **kernel(rng), **weights, classlabels_ints=names)], classes=names)


def zip_map(rng: Rng, columns: int) -> Case:
    """Write a classifier whose scores become a map by class, and whose index becomes a label by a LabelEncoder."""
    names = labels(rng, columns)
    nodes = [
        ml("Normalizer", "x", "p", norm="L1"),
        node("ArgMax", ["p"], ["i"], axis=1, keepdims=0),
        ml("LabelEncoder", "i", "l", keys_int64s=list(range(columns)), values_int64s=names),
        ml("ZipMap", "p", "y", classlabels_int64s=names),
    ]
    return Case(nodes, classes=names)


READ: dict[str, tuple[Callable[[Rng, int], Case], ...]] = {
    "ArrayFeatureExtractor": (extractor, look_up),
    "Binarizer": (binarizer,),
    "FeatureVectorizer": (vectorizer,),
    "Imputer": (imputer,),
    "LabelEncoder": (zip_map,),
    "LinearClassifier": (linear_classifier,),
    "LinearRegressor": (linear_regressor,),
    "Normalizer": (normalizer,),
    "OneHotEncoder": (one_hot,),
    "SVMClassifier": (vector_classifier,),
    "SVMRegressor": (vector_regressor,),
    "Scaler": (scaler,),
    "TreeEnsembleClassifier": (tree_classifier,),
    "TreeEnsembleRegressor": (tree_regressor,),
    "ZipMap": (zip_map,),
}
_MAP = {"keys_int64s": [0, 1], "values_floats": [2.0, 3.0]}
REFUSED = {
    "CastMap": ml("CastMap"),
    "CategoryMapper": ml("CategoryMapper", cats_int64s=[0, 1], cats_strings=["a", "b"]),
    "DictVectorizer": ml("DictVectorizer", int64_vocabulary=[0, 1]),
    "LabelEncoder": ml("LabelEncoder", **_MAP),
    "TreeEnsemble": ml("TreeEnsemble", n_targets=1),
}


def rows(case: Case, rng: Rng, columns: int) -> NDArray[Any]:
    """Return rows with whole numbers, zeros and, for what knows them, missing values."""
    x = rng.normal(0, 1.5, (40, columns)).astype(np.float32)
    x = np.where(rng.random(x.shape) < 0.4, np.round(x), x)
    x[0] = 0
    if case.nodes[0].op_type in ("Imputer", "TreeEnsembleClassifier", "TreeEnsembleRegressor"):
        x[rng.random(x.shape) < 0.1] = np.nan
    return x.astype(np.int64 if case.dtype == TensorProto.INT64 else np.float32)


def test_every_operator_of_the_domain_is_read_or_refused() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == DOMAIN}
    assert known == {*READ, *REFUSED}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("draw", dict.fromkeys(draw for draws in READ.values() for draw in draws))
def test_random_attributes_give_the_values_of_onnx_runtime(draw: Callable[[Rng, int], Case], seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(2, 6))
    case = draw(rng, columns)
    data, x = case.bytes(columns), rows(case, rng, columns)
    expected, given = answers(data, x), compile_graph(read_model(data))(x)
    if case.classes:
        scores = expected[1]
        if isinstance(scores, list):
            scores = np.asarray([[row[name] for name in case.classes] for row in scores], np.float32)
        # Scores that float32 cannot tell apart, such as two of 1.0 after LOGISTIC, have no label of their own.
        clear = np.diff(np.sort(scores, axis=1)[:, -2:]).ravel() > 1e-5
        assert np.asarray(case.classes)[given["label"]][clear].tolist() == expected[0][clear].tolist()
        np.testing.assert_allclose(given["probabilities"], scores, rtol=1e-3, atol=1e-4)
    else:
        np.testing.assert_allclose(given["prediction"], expected[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_other_operators_are_refused_by_name(name: str) -> None:
    with pytest.raises(OnnxError) as raised:
        read_model(model([REFUSED[name]], ["n", 2], domains=(DOMAIN,)))
    assert f"{DOMAIN}.{name}" in raised.value.got


def stump(prefix: str, ids: list[int], weights: list[float], **attributes: Any) -> Any:  # noqa: ANN401 - a node
    """Return a tree that asks x0 <= 0; each of its two leaves has the same classes or targets."""
    op = {"class": "TreeEnsembleClassifier", "target": "TreeEnsembleRegressor"}[prefix]
    half = len(ids) // 2
    if prefix == "class":
        attributes["classlabels_int64s"] = [3, 17]
    return ml(
        op,
        "x",
        "l y" if prefix == "class" else "y",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_featureids=[0, 0, 0],
        nodes_values=[0.0, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        **{f"{prefix}_treeids": [0] * len(ids), f"{prefix}_nodeids": [1] * half + [2] * half},
        **{f"{prefix}_ids": ids, f"{prefix}_weights": weights},
        **attributes,
    )


def linear(op: str, **attributes: Any) -> Any:  # noqa: ANN401 - a node
    outputs = "l y" if op == "LinearClassifier" else "y"
    return ml(op, "x", outputs, coefficients=[1.0, 2.0], intercepts=[0.5], **attributes)


PAIR = {"classlabels_ints": [0, 1]}
VECTORS = {"support_vectors": [1.0, 2.0], "coefficients": [1.0], "n_supports": 1, "rho": [0.0]}
AMBIGUOUS = {
    "PROBIT": linear("LinearRegressor", post_transform="PROBIT"),
    "SOFTMAX_ZERO": linear("LinearClassifier", post_transform="SOFTMAX_ZERO", **PAIR),
    "LOGISTIC of one target": linear("LinearRegressor", post_transform="LOGISTIC"),
    "SOFTMAX of one score": linear("LinearClassifier", post_transform="SOFTMAX", **PAIR),
    "LOGISTIC of a tree's target": stump("target", [0, 0], [1.0, 2.0], post_transform="LOGISTIC"),
    "LOGISTIC of support vectors": ml("SVMRegressor", kernel_type="LINEAR", post_transform="LOGISTIC", **VECTORS),
    "two base values of one score": stump("class", [0, 0], [1.0, -2.0], base_values=[1.0, 2.0]),
    "one base value of two scores": stump("class", [0, 1, 0, 1], [1.0, -2.0, 2.0, 3.0], base_values=[1.0]),
    "MAX over trees": stump("target", [0, 0], [1.0, 2.0], aggregate_function="MAX"),
    "categories as text": ml("OneHotEncoder", cats_strings=["a", "b"]),
    "no zeros": ml("OneHotEncoder", cats_int64s=[0, 1], zeros=0),
    "categories beyond float32": ml("OneHotEncoder", cats_int64s=[0, 2**24 + 1]),
    "widths that differ": ml("FeatureVectorizer", "x x", inputdimensions=[1, 3]),
    "one width of two": ml("FeatureVectorizer", "x x", inputdimensions=[2]),
}


@pytest.mark.parametrize("name", sorted(AMBIGUOUS))
def test_attributes_without_one_meaning_are_refused(name: str) -> None:
    outputs = tuple(AMBIGUOUS[name].output)
    with pytest.raises(GraphError):
        read_model(model([AMBIGUOUS[name]], ["n", 2], outputs=outputs, domains=(DOMAIN,)))


def test_a_table_of_two_rows_is_no_look_up() -> None:
    nodes = [node("ArgMax", ["x"], ["i"], axis=1, keepdims=0), ml("ArrayFeatureExtractor", "t i")]
    with pytest.raises(GraphError):
        read_model(model(nodes, ["n", 2], constants={"t": np.ones((2, 2), np.float32)}, domains=(DOMAIN,)))


# ONNX Runtime 1.31 deviates from the standard for these trees of two classes; x0 is -1, then 1.
STANDARD: dict[str, tuple[Any, list[int], list[list[float]]]] = {
    "a score for each class": (
        stump("class", [0, 1, 0, 1], [2.0, 1.0, -3.0, -1.0]), [0, 1], [[2, 1], [-3, -1]],
    ),
    "a base value for each class": (
        stump("class", [0, 1, 0, 1], [2.0, 1.0, -3.0, -1.0], base_values=[0.0, 5.0]), [1, 1], [[2, 6], [-3, 4]],
    ),
    "scores of the second class only": (
        stump("class", [1, 1], [-2.0, 0.25], base_values=[0.5, 0.0]), [0, 0], [[0.5, -2], [0.5, 0.25]],
    ),
    "positive scores with LOGISTIC": (
        stump("class", [0, 0], [0.0, np.log(3)], post_transform="LOGISTIC"), [0, 1], [[0.5, 0.5], [0.25, 0.75]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_trees_of_two_classes_follow_the_standard(name: str) -> None:
    tree, label, scores = STANDARD[name]
    graph = read_model(model([tree], ["n", 2], outputs=("l", "y"), domains=(DOMAIN,)))
    given = compile_graph(graph)(np.asarray([[-1, 0], [1, 0]], np.float32))
    assert graph.labels == ("3", "17")
    assert given["label"].tolist() == label
    np.testing.assert_allclose(given["probabilities"], scores, atol=1e-6)


def test_an_index_beside_a_value_of_its_own_is_kept() -> None:
    nodes = [node("ArgMax", ["x"], ["l"], axis=1, keepdims=0), node("Exp", ["x"], ["y"])]
    graph = read_model(model(nodes, ["n", 2], outputs=("l", "y")))
    given = compile_graph(graph)(np.asarray([[1, 2], [3, 0]], np.float32))
    assert given["l"].tolist() == [1, 0]
    np.testing.assert_allclose(given["y"], np.exp([[1, 2], [3, 0]]), rtol=1e-6)


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_classes_in_a_table_are_names_only_as_the_label_of_probabilities(kind: type) -> None:
    table: NDArray[Any] = np.asarray([7, 5, 9], kind)
    nodes = [
        node("Softmax", ["x"], ["y"], axis=1),
        node("ArgMax", ["y"], ["i"], axis=1, keepdims=0),
        ml("ArrayFeatureExtractor", "t i", "a"),
        node("Reshape", ["a", "flat"], ["l"]),
    ]
    x = np.asarray([[0, 1, 2], [4, 1, 0]], np.float32)

    def read(*outputs: str) -> Any:  # noqa: ANN401 - a graph
        constants = {"t": table, "flat": np.asarray([-1])}
        return read_model(model(nodes, ["n", 3], constants=constants, outputs=outputs, domains=(DOMAIN,)))

    assert compile_graph(read("l"))(x)["prediction"].tolist() == [9, 7]
    graph = read("l", "y")
    if kind is np.int64:
        assert graph.labels == ("7", "5", "9")
        assert compile_graph(graph)(x)["label"].tolist() == [2, 0]
    else:
        assert compile_graph(graph)(x)["l"].tolist() == [9, 7]


@pytest.mark.slow
def test_a_look_up_agrees_in_every_form(tmp_path: Any) -> None:  # noqa: ANN401 - a folder
    assert absent_forms(look_up(np.random.default_rng(3), 3).bytes(3), tmp_path) == {}
