"""The networks as scikit-learn estimators, and their graphs."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from edgewright.core.catalogue import find
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import InputError, LayerSettingsError, UnknownNameError
from edgewright.core.records.config import ModelConfig, TrainingConfig
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import emit
from edgewright.models.network import MODEL, NetworkClassifier, NetworkRegressor
from edgewright.models.nn._windows import DilatedConfig, Padding, conv_attributes, span, taps
from edgewright.training.metrics import calibration_error

Fitted = NetworkClassifier | NetworkRegressor
RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 5)).astype(np.float32)
NAMES = np.array(["running", "sitting", "walking"])
Y = NAMES[np.argmax(X @ RNG.standard_normal((5, 3)) + RNG.standard_normal((400, 3)), axis=1)]
BINARY = np.where(X[:, 0] > 0, "yes", "no")
SMALL = ({"kind": "dense", "units": 16},)
WINDOWS = RNG.standard_normal((120, 3, 24)).astype(np.float32)
WINDOWS[60:] += np.sin(np.arange(24, dtype=np.float32))
KIND = np.repeat(["still", "moving"], 60)
CONVOLUTIONAL = (
    {"kind": "conv1d", "filters": 8, "kernel": 5, "stride": 2},
    {"kind": "depthwise_separable", "filters": 8, "kernel": 3},
    {"kind": "global_average_pool"},
)


def ran(model: Fitted, X: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    builder = Builder("t", X.shape[1:], labels=tuple(str(c) for c in getattr(model, "classes_", ())))
    value = emit(model, builder, builder.input)
    graph = builder.finish(model.outputs(builder, value))
    assert graph.boundary == "input"
    session = open_session(to_onnx(graph))
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input": X}), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "features", "classes", "count"), [((64, 64), 10, 3, 5059), ((32, 32), 5, 2, 1281)])
def test_the_lessons_networks_have_their_parameters(
    layers: tuple[int, ...], features: int, classes: int, count: int
) -> None:
    data = RNG.standard_normal((30, features)).astype(np.float32)
    tables = tuple({"kind": "dense", "units": units} for units in layers)
    model = NetworkClassifier(tables, epochs=1).fit(data, np.arange(30) % classes)
    records = model.layer_records()
    assert sum(record.parameters for record in records) == count
    assert [record.name for record in records] == ["dense 1", "dense 2", "output"]
    assert records[-1].activation == ("softmax" if classes == 3 else "sigmoid")
    assert records[0].macs == features * layers[0] and records[0].activation_bytes == 4 * layers[0]


@pytest.mark.slow
def test_a_classifier_learns_text_labels_and_its_graph_agrees() -> None:
    model = NetworkClassifier(SMALL, epochs=30, learning_rate=0.01, seed=1).fit(X, Y)
    assert model.score(X, Y) > 0.75
    probabilities = model.predict_proba(X)
    assert probabilities.dtype == np.float32 and probabilities.shape == (400, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    outputs = ran(model, X)
    np.testing.assert_allclose(outputs["probabilities"], probabilities, atol=2e-6)
    np.testing.assert_array_equal(model.classes_[outputs["label"]], model.predict(X))
    np.testing.assert_allclose(outputs["confidence"], probabilities.max(axis=1), atol=2e-6)


@pytest.mark.slow
def test_two_classes_have_one_sigmoid_output() -> None:
    model = NetworkClassifier(SMALL, epochs=20, learning_rate=0.01).fit(X, BINARY)
    assert model.parameters_[-1]["weights"].shape == (16, 1)
    assert model.score(X, BINARY) > 0.9
    outputs = ran(model, X)
    assert outputs["probabilities"].shape == (400, 2)
    np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(X), atol=2e-6)
    np.testing.assert_array_equal(model.classes_[outputs["label"]], model.predict(X))
    last = model.layer_outputs(X[:2])[-1]
    assert last.activation == "sigmoid" and last.values.shape == (2, 1)


@pytest.mark.slow
def test_a_regressor_learns_a_target_far_from_zero() -> None:
    y = 1000 + 50 * (X[:, 0] - 2 * X[:, 1])
    model = NetworkRegressor(SMALL, epochs=60, learning_rate=0.01).fit(X, y, validation=(X[:50], y[:50]))
    assert model.score(X, y) > 0.95
    assert model.history_[-1].accuracy is None and model.history_[-1].validation_loss is not None
    outputs = ran(model, X)
    np.testing.assert_allclose(outputs["prediction"], model.predict(X), rtol=1e-5)


@pytest.mark.slow
def test_convolutions_over_windows() -> None:
    model = NetworkClassifier(CONVOLUTIONAL, epochs=15, batch=16, learning_rate=0.01).fit(WINDOWS, KIND)
    assert model.score(WINDOWS, KIND) > 0.9
    np.testing.assert_allclose(ran(model, WINDOWS)["probabilities"], model.predict_proba(WINDOWS), atol=2e-6)
    shapes = [output.values.shape for output in model.layer_outputs(WINDOWS[:3])]
    assert shapes == [(3, 8, 12), (3, 8, 12), (3, 8), (3, 1)]


def test_layer_outputs_are_the_steps_of_the_answer() -> None:
    model = NetworkClassifier(SMALL, epochs=2).fit(X, Y)
    hidden, output = model.layer_outputs(X[:5])
    first, last = model.parameters_
    np.testing.assert_allclose(hidden.values, np.maximum(X[:5] @ first["weights"] + first["bias"], 0), atol=1e-5)
    logits = hidden.values @ last["weights"] + last["bias"]
    np.testing.assert_allclose(output.values, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-5)
    assert (hidden.name, hidden.kind, hidden.activation) == ("dense", "dense", "relu")


def test_stored_arrays_predict_without_a_fit() -> None:
    assert find("edgewright.models", "network", "MODEL", "model") is MODEL
    model = MODEL.build(ModelConfig(layers=SMALL), TrainingConfig(epochs=3), "classification", 5).fit(X, Y)
    fresh = MODEL.build(ModelConfig(layers=SMALL), TrainingConfig(), "classification", 0)
    for name in MODEL.state:
        setattr(fresh, name, getattr(model, name))
    np.testing.assert_array_equal(fresh.predict_proba(X), model.predict_proba(X))
    assert fresh.layer_records() == model.layer_records()
    assert isinstance(MODEL.build(ModelConfig(), TrainingConfig(), "regression", 0), NetworkRegressor)


@pytest.mark.slow
def test_scikit_learn_tools_take_it() -> None:
    model = NetworkClassifier(SMALL, epochs=2, seed=3)
    copy = clone(model)
    assert copy is not model and copy.get_params() == model.get_params()
    chain = make_pipeline(MinMaxScaler(), model)
    search = GridSearchCV(chain, {"networkclassifier__learning_rate": [1e-4, 3e-2]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"networkclassifier__learning_rate": 3e-2}
    assert chain.fit(X, Y).n_features_in_ == 5


@pytest.mark.slow
def test_balanced_class_weights_find_the_rare_class() -> None:
    rng = np.random.default_rng(2)
    y = (rng.random(1000) < 0.05).astype(int)
    data = (rng.standard_normal((1000, 3)) + y[:, None]).astype(np.float32)
    plain = NetworkClassifier((), epochs=20, learning_rate=0.01).fit(data, y)
    balanced = NetworkClassifier((), epochs=20, learning_rate=0.01, class_weights="balanced").fit(data, y)
    recalls = [float(np.mean(m.predict(data)[y == 1] == 1)) for m in (plain, balanced)]
    assert recalls[1] > recalls[0] + 0.2


@pytest.mark.slow
def test_sample_weights_choose_what_is_learnt() -> None:
    data, y = np.concatenate([X, X]), np.concatenate([BINARY, np.where(BINARY == "yes", "no", "yes")])
    weights = np.concatenate([np.ones(400), np.zeros(400)])
    model = NetworkClassifier(SMALL, epochs=20, learning_rate=0.01).fit(data, y, sample_weight=weights)
    assert model.score(X, BINARY) > 0.9


@pytest.mark.slow
def test_calibration_lowers_the_calibration_error() -> None:
    rng = np.random.default_rng(6)
    data = rng.standard_normal((900, 8)).astype(np.float32)
    y = (data[:, 0] + 1.5 * rng.standard_normal(900) > 0).astype(int)
    errors = {}
    for calibrate in (False, True):
        model = NetworkClassifier(epochs=60, learning_rate=0.01, calibrate=calibrate)
        model.fit(data[:300], y[:300], validation=(data[300:600], y[300:600]))
        probabilities = model.predict_proba(data[600:])
        errors[calibrate] = calibration_error(probabilities.max(axis=1), model.predict(data[600:]) == y[600:])
        assert (model.training_.temperature > 1) is calibrate
    assert errors[True] < 0.5 * errors[False]


def test_label_smoothing_and_dropout_change_the_answer() -> None:
    plain = NetworkClassifier(SMALL, epochs=20, learning_rate=0.01).fit(X, Y).predict_proba(X)
    smooth = NetworkClassifier(SMALL, epochs=20, learning_rate=0.01, label_smoothing=0.3).fit(X, Y).predict_proba(X)
    dropped = NetworkClassifier(SMALL, epochs=20, learning_rate=0.01, dropout=0.5).fit(X, Y).predict_proba(X)
    assert smooth.max(axis=1).mean() < plain.max(axis=1).mean()
    assert not np.array_equal(plain, dropped)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (({"units": 3},), "expected a key 'kind', got units - at model.layers 1"),
        (({"kind": "dense", "unit": 3},), "Did you mean 'units'"),
        (
            ({"kind": "dense", "units": 0},),
            r"expected a whole number of at least 1, got 0 - at model\.layers 1 \(dense\) units",
        ),
        (({"kind": "conv1d", "filters": 2, "kernel": 3},), "windows of shape"),
    ],
)
def test_impossible_layers_are_refused(layers: tuple[dict[str, Any], ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NetworkClassifier(layers, epochs=1).fit(X, Y)


@pytest.mark.slow
def test_wrong_data_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'dense'"):
        NetworkClassifier(({"kind": "dens", "units": 3},)).fit(X, Y)
    with pytest.raises(InputError, match="at least two classes, got one class, walking"):
        NetworkClassifier(SMALL).fit(X, np.full(400, "walking"))
    with pytest.raises(InputError, match="400 targets"):
        NetworkClassifier(SMALL).fit(X, Y[:10])
    with pytest.raises(InputError, match="validation labels that also occur in training, got 'flying'"):
        NetworkClassifier(SMALL).fit(X, Y, validation=(X[:2], ["walking", "flying"]))
    with pytest.raises(InputError, match="Add a layer of kind 'flatten'"):
        NetworkClassifier(SMALL).fit(WINDOWS, KIND)
    with pytest.raises(InputError, match="samples of shape"):
        NetworkClassifier(CONVOLUTIONAL, epochs=1).fit(WINDOWS, KIND).predict(WINDOWS[:, :, :20])
    with pytest.raises(InputError, match="finite numbers"):
        NetworkRegressor(SMALL).fit(X, np.full(400, np.nan))


@pytest.mark.slow
def test_another_process_gives_the_same_bits() -> None:
    code = (
        "import numpy as np, hashlib; from edgewright.models.network import NetworkClassifier as N;"
        "r=np.random.default_rng(0); X=r.standard_normal((200,5)).astype('f4');"
        "m=N(({'kind':'dense','units':8},),epochs=3).fit(X,X[:,0]>0);"
        "print(hashlib.sha256(b''.join(a.tobytes() for p in m.parameters_ for a in p.values())).hexdigest())"
    )
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        exec(code, {})  # noqa: S102 - the same lines in this process
    there = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert there.stdout == here.getvalue()
    assert len(there.stdout.strip()) == 64


@pytest.mark.parametrize("padding", ["same", "valid", "causal"])
@given(
    samples=st.integers(1, 24), kernel=st.integers(1, 6), stride=st.integers(1, 4), dilation=st.integers(1, 3)
)  # fmt: skip
def test_a_kernel_meets_the_samples_that_its_padding_says(
    padding: Padding, samples: int, kernel: int, stride: int, dilation: int
) -> None:
    config = DilatedConfig(kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    covered = (kernel - 1) * dilation + 1
    if (padding == "valid" and covered > samples) or (padding == "causal" and stride > min(samples, covered)):
        with pytest.raises(LayerSettingsError):
            span(config, (2, samples), "conv1d")
        return
    if padding == "same":
        # As many outputs as strides begin in the window; the zeros that they need, the smaller half before it.
        outputs = len(range(0, samples, stride))
        zeros = max((outputs - 1) * stride + covered - samples, 0)
        before, after = zeros // 2, zeros - zeros // 2
    elif padding == "valid":
        outputs, before, after = len(range(0, samples - covered + 1, stride)), 0, 0
    else:
        # The first stride of samples is whole when its last sample is there.
        outputs, before, after = samples // stride, covered - stride, 0
    assert span(config, (2, samples), "conv1d") == (outputs, before, after)
    attributes = conv_attributes(config, (2, samples), "conv1d")
    assert attributes.pop("dilations", (1,)) == (dilation,)
    assert attributes == {"kernel_shape": (kernel,), "strides": (stride,), "pads": (before, after)}


@pytest.mark.parametrize(("padding", "stride", "dilation"), [("same", 2, 1), ("same", 3, 2), ("causal", 2, 3)])
def test_taps_are_the_samples_under_the_kernel_and_zeros_beside_the_window(
    padding: Padding, stride: int, dilation: int
) -> None:
    config = DilatedConfig(kernel=4, stride=stride, dilation=dilation, padding=padding)
    samples, (outputs, before, _) = 11, span(config, (2, 11), "conv1d")
    x = np.arange(1.0, 2 * samples + 1, dtype=np.float32).reshape(1, samples, 2)
    met = taps(config, x, "conv1d", fill=-5.0)
    assert len(met) == 4
    for tap, values in enumerate(met):
        rows = np.arange(outputs) * stride - before + tap * dilation
        expected = np.where(((rows >= 0) & (rows < samples))[:, None], x[0, rows.clip(0, samples - 1)], -5.0)
        np.testing.assert_array_equal(values[0], expected)
