"""Makes the small foreign models of `tests/fixtures/models`: needs what they come from, in an environment of its own.

    python -m venv fixtures && fixtures/bin/pip install torch onnxscript keras lightgbm xgboost onnxmltools skl2onnx
    fixtures/bin/python tools/make_fixtures.py tests/fixtures/models

The files are committed, so tests need none of these. Beside each model lie rows and the answers ONNX Runtime gave.
"""

# ruff: noqa: PLC0415 - each part imports the framework it needs

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

SEED = 7
ROWS = 24


def table(classes: int, *, integers: bool = False) -> tuple[Any, Any]:
    """Return rows of 6 columns and labels that depend on them."""
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(300, 6)).astype(np.float32) * np.asarray([1, 2, 5, 0.5, 1, 1], np.float32)
    score = x[:, 0] + np.sin(x[:, 1]) + 0.2 * x[:, 2]
    y = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    return x, y if integers else np.array(["idle", "walk", "run", "fall"])[y]


def from_sklearn(folder: Path) -> None:
    """Trees, linear models and pipelines by skl2onnx."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler
    from sklearn.svm import SVC, SVR
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    x, y = table(3)
    _, two = table(2, integers=True)
    target = x[:, 0] * 2 + x[:, 2] ** 2
    holes = x.copy()
    holes[::7, 2] = np.nan
    models = {
        "sklearn-logistic": make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(holes, y),
        "sklearn-logistic-two": make_pipeline(MinMaxScaler(), LogisticRegression()).fit(x, two),
        "sklearn-linear": make_pipeline(Normalizer(), LinearRegression()).fit(x, target),
        "sklearn-polynomial": make_pipeline(PolynomialFeatures(2), LinearRegression()).fit(x, target),
        "sklearn-tree": DecisionTreeClassifier(max_depth=5, random_state=0).fit(x, y),
        "sklearn-tree-regressor": DecisionTreeRegressor(max_depth=6, random_state=0).fit(x, target),
        "sklearn-forest": RandomForestClassifier(8, max_depth=6, random_state=0).fit(x, two + 3),
        "sklearn-boosting": GradientBoostingClassifier(n_estimators=6, random_state=0).fit(x, y),
        "sklearn-boosting-two": GradientBoostingClassifier(n_estimators=6, random_state=0).fit(x, two),
        "sklearn-extra-trees": ExtraTreesRegressor(6, max_depth=6, random_state=0).fit(x, target),
        "sklearn-bayes": GaussianNB().fit(x, y),
        "sklearn-mlp": make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=300, random_state=0)).fit(x, y),
        "sklearn-svm": make_pipeline(StandardScaler(), SVC()).fit(x, y),
        "sklearn-svm-two": make_pipeline(StandardScaler(), SVC(kernel="poly", coef0=0.5)).fit(x, two),
        "sklearn-svm-probability": make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)).fit(x, y),
        "sklearn-svm-probability-two": make_pipeline(
            StandardScaler(), SVC(kernel="sigmoid", gamma=0.05, coef0=0.1, probability=True, random_state=0)
        ).fit(x, two),
        "sklearn-svm-linear": make_pipeline(StandardScaler(), SVC(kernel="linear")).fit(x, y),
        "sklearn-svm-regressor": make_pipeline(StandardScaler(), SVR(C=20.0)).fit(x, target),
    }
    for name, model in models.items():
        save(folder, name, to_onnx(model, x[:1]).SerializeToString(), holes if name == "sklearn-logistic" else x)


def from_lightgbm(folder: Path) -> None:
    """Boosted trees by onnxmltools, which read missing values."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = table(3, integers=True)
    _, two = table(2)
    holes = x.copy()
    holes[::5, 0] = np.nan
    settings = {"n_estimators": 8, "num_leaves": 15, "verbose": -1, "random_state": 0}
    for name, model in {
        "lightgbm": LGBMClassifier(**settings).fit(holes, y),
        "lightgbm-two": LGBMClassifier(**settings).fit(x, two),
        "lightgbm-regressor": LGBMRegressor(**settings).fit(holes, np.nan_to_num(holes[:, 0]) + x[:, 1]),
    }.items():
        converted = convert_lightgbm(model, initial_types=[("input", FloatTensorType([None, 6]))], target_opset=15)
        save(folder, name, converted.SerializeToString(), holes)


def from_xgboost(folder: Path) -> None:
    """Boosted trees by onnxmltools as it comes: only ai.onnx.ml is imported."""
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from xgboost import XGBClassifier, XGBRegressor

    x, y = table(3, integers=True)
    _, two = table(2, integers=True)
    holes = x.copy()
    holes[::5, 0] = np.nan
    settings = {"n_estimators": 6, "max_depth": 4, "random_state": 0, "n_jobs": 1}
    for name, model in {
        "xgboost": XGBClassifier(**settings).fit(holes, y),
        "xgboost-two": XGBClassifier(base_score=0.3, **settings).fit(holes, two),
        "xgboost-regressor": XGBRegressor(**settings).fit(holes, np.nan_to_num(holes[:, 0]) + x[:, 1]),
        "xgboost-counts": XGBRegressor(objective="count:poisson", **settings).fit(holes, np.round(np.abs(x[:, 2]))),
    }.items():
        converted = convert_xgboost(model, initial_types=[("input", FloatTensorType([None, 6]))])
        save(folder, name, converted.SerializeToString(), holes)


def boosted(folder: Path) -> None:
    """Boosted trees in the files of their own tools, with the answers that the tools give."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from xgboost import XGBClassifier, XGBRegressor

    x, y = table(3, integers=True)
    _, two = table(2, integers=True)
    holes = x.copy()
    holes[::5, 0] = np.nan
    marked = np.where(np.isnan(holes), -999, holes).astype(np.float32)
    amount = np.abs(x[:, 2])
    light = {"n_estimators": 6, "num_leaves": 8, "verbose": -1, "random_state": 0}
    extreme = {"n_estimators": 6, "max_depth": 3, "random_state": 0, "n_jobs": 1}
    models = {
        "light-three.txt": LGBMClassifier(**light).fit(holes, y),
        "light-two.txt": LGBMClassifier(objective="binary", sigmoid=0.7, **light).fit(x, two),
        "light-amount.txt": LGBMRegressor(**light).fit(holes, amount),
        "light-counts.txt": LGBMRegressor(objective="poisson", **light).fit(holes, np.round(amount)),
        "light-averaged.txt": LGBMRegressor(boosting_type="rf", bagging_freq=1, bagging_fraction=0.6, **light).fit(
            holes, amount
        ),
        "extreme-three.json": XGBClassifier(**extreme).fit(holes, y),
        "extreme-three.ubj": XGBClassifier(**extreme).fit(holes, y),
        "extreme-two.json": XGBClassifier(**extreme).fit(x, two),
        "extreme-stopped.json": XGBClassifier(early_stopping_rounds=2, learning_rate=2.0, **extreme).fit(
            x[:200], two[:200], eval_set=[(x[200:], two[200:])], verbose=False
        ),
        "extreme-amount.ubj": XGBRegressor(**extreme).fit(holes, amount),
        "extreme-counts.json": XGBRegressor(objective="count:poisson", **extreme).fit(holes, np.round(amount)),
        "extreme-dropped.json": XGBRegressor(booster="dart", rate_drop=0.5, **extreme).fit(holes, amount),
        "light-forest-two.txt": LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.6, **light).fit(
            x, two
        ),
        "light-forest-three.txt": LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.6, **light).fit(
            holes, y
        ),
        "light-zeros.txt": LGBMRegressor(objective="regression_l1", **light).fit(holes, x[:, 0]),
        "extreme-leaf.json": XGBRegressor(gamma=20, **extreme).fit(holes, x[:, 0] > 0),
        "extreme-leaves.json": XGBRegressor(**extreme).fit(holes, np.ones(len(x))),
        "extreme-marker.json": XGBClassifier(missing=-999, **extreme).fit(marked, two),
    }
    rows = holes[:ROWS]
    folder = folder / "boosted"
    folder.mkdir(exist_ok=True)
    for name, model in models.items():
        (model.booster_ if name.endswith(".txt") else model).save_model(folder / name)
        given = marked[:ROWS] if "marker" in name else rows
        answers = model.predict_proba(given) if hasattr(model, "predict_proba") else model.predict(given)
        np.savez_compressed(folder / f"{name}.npz", x=given, y=np.asarray(answers, np.float32))
        print(f"{name}: {(folder / name).stat().st_size} bytes")


def from_torch(folder: Path) -> None:
    """Networks by both exporters of PyTorch, with an open and a fixed batch."""
    import torch
    from torch import nn

    class Running(nn.Module):  # type: ignore[misc]  # torch is not here
        """Sums so far, and a product over the channels."""

        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Parameter(torch.randn(4, 3))

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - a tensor
            """Give (n, 3, length)."""
            return torch.einsum("bcl,cd->bdl", torch.cumsum(x, 2) / 10, self.mix)

    torch.manual_seed(SEED)
    dense = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(0.3), nn.Linear(16, 3), nn.Softmax(-1)
    )
    conv1 = nn.Sequential(
        nn.Conv1d(3, 8, 5, padding="same"), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 3, stride=2),
        nn.Hardswish(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    conv2 = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 8, 3, padding=1, groups=8, stride=2),
        nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(72, 5), nn.LogSoftmax(-1),
    )  # fmt: skip
    decoder1 = nn.Sequential(
        nn.Conv1d(3, 6, 5, padding=2, padding_mode="reflect"), nn.GELU(approximate="tanh"), nn.AvgPool1d(3, 2, 1),
        nn.ConvTranspose1d(6, 4, 4, stride=2, padding=1), nn.ELU(), nn.ReplicationPad1d((2, 1)),
        nn.Upsample(scale_factor=2, mode="linear"), Running(),
    )  # fmt: skip
    decoder2 = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.SiLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Upsample(size=(9, 11), mode="bilinear", align_corners=True), nn.ZeroPad2d((-1, 2, 0, -1)),
    )  # fmt: skip
    shapes = {
        "dense": (dense, (6,)),
        "conv1d": (conv1, (3, 32)),
        "conv2d": (conv2, (1, 12, 12)),
        "decoder1d": (decoder1, (3, 20)),
        "decoder2d": (decoder2, (1, 11, 10)),
    }
    rng = np.random.default_rng(SEED)
    for name, (model, shape) in shapes.items():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.5, 0.5)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
                nn.init.uniform_(module.weight, 0.5, 1.5)
        model.eval()
        sample = torch.zeros(2, *shape)
        x = rng.normal(size=(ROWS, *shape)).astype(np.float32)
        for way in ("script", "dynamo", "fixed"):
            path = folder / f"torch-{name}-{way}.onnx"
            if way == "dynamo":
                batch = torch.export.Dim("batch")
                torch.onnx.export(
                    model, (sample,), path, dynamo=True, dynamic_shapes=({0: batch},), external_data=False
                )
            else:
                axes = {"x": {0: "n"}, "y": {0: "n"}} if way == "script" else None
                given = sample if way == "script" else sample[:1]
                opset = 13 if way == "script" else 12 if "decoder" in name else 11
                torch.onnx.export(model, (given,), path, dynamo=False, input_names=["x"], output_names=["y"],
                                  dynamic_axes=axes, opset_version=opset)  # fmt: skip
            save(folder, path.stem, path.read_bytes(), x)


def from_keras(folder: Path) -> None:
    """Networks by the exporter of Keras 3 on its PyTorch backend."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    from keras import layers

    keras.utils.set_random_seed(SEED)
    shapes: dict[str, tuple[tuple[int, ...], list[Any]]] = {
        "dense": ((6,), [
            layers.Normalization(mean=0.5, variance=2.0), layers.Dense(8, "relu"), layers.BatchNormalization(),
            layers.Dropout(0.2), layers.Dense(3, "softmax"),
        ]),
        "conv2d": ((12, 12, 1), [
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same"), layers.BatchNormalization(), layers.ReLU(6.0),
            layers.MaxPooling2D(), layers.Conv2D(4, 1), layers.Flatten(), layers.Dense(4, "softmax"),
        ]),
        "conv1d": ((32, 3), [
            layers.Conv1D(8, 5, padding="causal", activation="relu"), layers.SeparableConv1D(6, 3),
            layers.AveragePooling1D(2), layers.GlobalAveragePooling1D(), layers.Dense(4),
        ]),
    }  # fmt: skip
    rng = np.random.default_rng(SEED)
    for name, (shape, parts) in shapes.items():
        model = keras.Sequential([layers.Input(shape), *parts])
        x = rng.normal(size=(ROWS, *shape)).astype(np.float32)
        model(x)
        path = folder / f"keras-{name}.onnx"
        model.export(str(path), format="onnx", verbose=False)
        save(folder, path.stem, path.read_bytes(), x)


def channels_last(folder: Path) -> None:
    """Write a network as converters of channels-last frameworks do: Transposes around convolutions, opset 11."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(SEED)
    constants = {
        "w": rng.normal(size=(8, 3, 3, 3)) * 0.3, "b": rng.normal(size=8), "d": rng.normal(size=(8, 1, 3, 3)) * 0.3,
        "m": rng.normal(size=(200, 4)) * 0.2, "c": rng.normal(size=4), "s": rng.uniform(0.5, 1.5, 8),
    }  # fmt: skip
    nodes = [
        helper.make_node("Transpose", ["x"], ["t0"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t0", "w", "b"], ["t1"], auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("Transpose", ["t1"], ["t2"], perm=[0, 2, 3, 1]),
        helper.make_node("Mul", ["t2", "s"], ["t3"]),
        helper.make_node("Relu", ["t3"], ["t4"]),
        helper.make_node("Transpose", ["t4"], ["t5"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t5", "d"], ["t6"], auto_pad="SAME_LOWER", group=8),
        helper.make_node("Transpose", ["t6"], ["t7"], perm=[0, 2, 3, 1]),
        helper.make_node("Clip", ["t7", "zero", "six"], ["t8"]),
        helper.make_node("Shape", ["t8"], ["s0"]),
        helper.make_node("Cast", ["s0"], ["s1"], to=TensorProto.INT32),
        helper.make_node("Gather", ["s1", "first"], ["s2"], axis=0),
        helper.make_node("Unsqueeze", ["s2"], ["s3"], axes=[0]),
        helper.make_node("Concat", ["s3", "rest"], ["s4"], axis=0),
        helper.make_node("Cast", ["s4"], ["s5"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["t8", "s5"], ["t9"]),
        helper.make_node("MatMul", ["t9", "m"], ["t10"]),
        helper.make_node("Add", ["t10", "c"], ["t11"]),
        helper.make_node("Softmax", ["t11"], ["y"], axis=1),
    ]
    initialisers = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()]
    initialisers += [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in (("zero", 0), ("six", 6))]
    initialisers += [numpy_helper.from_array(np.asarray(0, np.int32), "first")]
    initialisers += [numpy_helper.from_array(np.asarray([200], np.int32), "rest")]
    graph = helper.make_graph(
        nodes, "channels_last",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 10, 10, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])], initialisers,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.checker.check_model(model)
    save(folder, "channels-last", model.SerializeToString(), rng.normal(size=(ROWS, 10, 10, 3)).astype(np.float32))


def save(folder: Path, name: str, model: bytes, x: Any) -> None:  # noqa: ANN401 - an array
    """Write the model and, as `NAME.npz`, a few rows with the answers of ONNX Runtime to each."""
    import onnxruntime as ort

    (folder / f"{name}.onnx").write_bytes(model)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    rows, pairs = x[:ROWS], []
    for row in rows:
        outputs = session.run(None, {source.name: row[None]})
        last = outputs[-1]
        if isinstance(last, list):
            last = np.asarray([list(one.values()) for one in last], np.float32)
        pairs.append((outputs[0][0], last[0]))
    labels = np.asarray([str(label) for label, _ in pairs]) if len(session.get_outputs()) > 1 else np.zeros(0, "U1")
    np.savez_compressed(folder / f"{name}.npz", x=rows, y=np.stack([y for _, y in pairs]), labels=labels)
    print(f"{name}: {len(model)} bytes")


def main() -> None:
    """Make all of them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    channels_last(folder)
    from_sklearn(folder)
    from_lightgbm(folder)
    from_xgboost(folder)
    boosted(folder)
    from_torch(folder)
    from_keras(folder)


if __name__ == "__main__":
    main()
