"""Seventy programs on which nothing is fitted: MLPerf Tiny, networks, trees, pipelines by hand, and every detector.

Networks here have names and a design; those that coefficients are fitted on (`random_networks`) are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from benchmarks.estimate.detectors import shipped_detectors
from benchmarks.estimate.draft import Draft
from benchmarks.estimate.simple import fitted_model
from benchmarks.estimate.subjects import Subject, fitted, hapt_stages, windows
from benchmarks.estimate.truth import Fitted
from edgewright.compression.int8 import quantise
from edgewright.export.subject import read_subject

MODELS = Path(__file__).resolve().parents[3] / "shared" / "data" / "mlperf-tiny" / "models"
_LOADERS: dict[str, Callable[..., Any]] = {
    "iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer, "digits": load_digits,
    "diabetes": load_diabetes,
}  # fmt: skip
# Models smaller than networks, each with the data set that it is fitted on.
_SMALL = (
    ("tree", "wine"), ("tree", "digits"), ("forest", "iris"), ("forest", "cancer"), ("rules", "cancer"),
    ("threshold", "iris"), ("linear", "digits"), ("linear", "diabetes"), ("tree", "diabetes"), ("neighbours", "iris"),
    ("boosting", "cancer"), ("rules", "wine"), ("forest", "diabetes"),
)  # fmt: skip
# Parts of the shipped `demo`, windows of which are another length than any that is fitted on.
_DEMO: tuple[dict[str, Any], ...] = (
    {"kind": "union", "parts": [{"kind": "statistics"}, {"kind": "spectral"}]},
    {"kind": "scale", "method": "standard"},
)


def held_out() -> Iterator[Fitted]:
    """Those seventy, the models from elsewhere first."""
    yield from _mlperf()
    for number, (draft, forms) in enumerate(_designs()):
        for form in forms:
            yield draft(number).subject(form, f"{draft.__name__.strip('_')} {form}")
    yield from _pipelines()
    for kind, data in _SMALL:
        yield _small(kind, data)
    yield from shipped_detectors()


def _mlperf() -> Iterator[Subject]:
    """Models as they are in their files; an int8 one has its softmax among bytes."""
    for path in sorted(MODELS.glob("*.tflite")):
        graph = read_subject(path).graph
        shape = graph.inputs[0].shape
        row = np.random.default_rng(0).normal(0.0, 0.5, shape).astype(np.float32)
        yield Subject(path.stem, graph, None, row)


def _pipelines() -> Iterator[Subject]:
    """Features and a network, as users have them: the shipped `hapt` and `demo`, and raw windows with regressors."""
    for name, stages, samples, layers in (
        ("hapt", hapt_stages(), 128, ({"kind": "dense", "units": 32},)),
        ("demo", list(_DEMO), 100, ({"kind": "dense", "units": 16},)),
        ("demo wide", list(_DEMO), 200, ({"kind": "dense", "units": 48}, {"kind": "dense", "units": 24})),
    ):
        X = windows(samples, 77)
        graph = fitted(stages, list(layers), X, 77, True)
        yield Subject(name, graph, quantise(graph, X), X[0])


def _small(kind: str, data: str) -> Subject:
    loaded = _LOADERS[data]()
    X = np.asarray(loaded.data, np.float32)
    amount = data == "diabetes"
    y: NDArray[Any] = loaded.target.astype(np.float64) if amount else np.array([f"k{n}" for n in loaded.target])
    if kind == "threshold":
        y = np.where(loaded.target > 0, "some", "none")
    stages = [{"kind": "scale", "method": "standard"}] if kind in ("linear", "neighbours") else []
    graph = fitted_model(kind, stages, X, y, "regression" if amount else "classification", 5)
    return Subject(f"{kind} of {data}", graph, None, X[0])


def _designs() -> tuple[tuple[Callable[[int], Draft], tuple[str, ...]], ...]:
    both = ("float", "int8")
    return (
        (_conv_regressor, both), (_dense_regressor, both), (_separable_regressor, both),
        (_dense_autoencoder, both), (_narrow_autoencoder, both), (_series_autoencoder, both),
        (_lenet, both), (_cifar_net, ("bytes",)), (_ds_cnn, ("float", "bytes")), (_mobile_net, ("int8",)),
        (_residual_ecg, both), (_m5_audio, both), (_temporal, both), (_tiny_conv, ("bytes",)), (_har_cnn, both),
        (_eeg_net, both), (_vgg_series, ("int8",)), (_all_convolutions, ("float",)), (_wide_rows, both),
        (_two_classes, both),
    )  # fmt: skip


def _conv_regressor(seed: int) -> Draft:
    draft = Draft("conv", (3, 100), seed).conv(16, 5).pool().conv(32, 5).pool().conv(32, 3)
    return draft.pool("GlobalAveragePool").dense(16).dense(1, "")


def _dense_regressor(seed: int) -> Draft:
    return Draft("dense", (21,), seed).dense(40).dense(20).dense(10).dense(1, "")


def _separable_regressor(seed: int) -> Draft:
    draft = Draft("separable", (6, 128), seed).conv(24, 7, 2).separable(32, 5, 2).separable(32, 5)
    return draft.pool("GlobalMaxPool").dense(2, "")


def _dense_autoencoder(seed: int) -> Draft:
    draft = Draft("autoencoder", (160,), seed)
    for units in (64, 64, 8, 64, 64):
        draft.dense(units)
    return draft.dense(160, "")


def _narrow_autoencoder(seed: int) -> Draft:
    return Draft("narrow", (24,), seed).dense(12).dense(3).dense(12).dense(24, "")


def _series_autoencoder(seed: int) -> Draft:
    return Draft("series", (2, 64), seed).conv(8, 5, 2).conv(16, 5, 2).dense(6).dense(64).dense(128, "")


def _lenet(seed: int) -> Draft:
    draft = Draft("lenet", (1, 28, 28), seed).conv(6, 5).pool("AveragePool").conv(16, 5, same=False)
    return draft.pool("AveragePool").dense(120).dense(84).classes(10)


def _cifar_net(seed: int) -> Draft:
    draft = Draft("cifar", (3, 32, 32), seed).conv(32, 5).pool("MaxPool", 3, 2).conv(32, 5).pool("AveragePool", 3, 2)
    return draft.conv(64, 5).pool("AveragePool", 3, 2).classes(10)


def _ds_cnn(seed: int) -> Draft:
    draft = Draft("ds", (1, 49, 10), seed).conv(64, (11, 5), 2)
    for _ in range(3):
        draft.separable(64, 3)
    return draft.pool("GlobalAveragePool").classes(12)


def _mobile_net(seed: int) -> Draft:
    draft = Draft("mobile", (3, 48, 48), seed).conv(8, 3, 2, act="Clip")
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        draft.separable(filters, 3, stride, act="Clip")
    return draft.pool("GlobalAveragePool").classes(2)


def _residual_ecg(seed: int) -> Draft:
    draft = Draft("ecg", (1, 180), seed).conv(16, 7, 2).pool("MaxPool", 2)
    for filters in (16, 32):
        draft.conv(filters, 5, 1 if filters == 16 else 2)
        before = draft.value
        draft.conv(filters, 5).conv(filters, 5, act="").add(before, "Relu")
    return draft.pool("GlobalAveragePool").classes(5)


def _m5_audio(seed: int) -> Draft:
    draft = Draft("m5", (1, 2000), seed).conv(16, 79, 4).pool("MaxPool", 4)
    for filters in (16, 32):
        draft.conv(filters, 3).pool("MaxPool", 4)
    return draft.pool("GlobalAveragePool").classes(10)


def _temporal(seed: int) -> Draft:
    draft = Draft("temporal", (4, 64), seed).conv(16, 1)
    for dilation in (1, 2, 4, 8):
        before = draft.value
        draft.conv(16, 3, dilation=dilation).conv(16, 1, act="").add(before)
    return draft.pool("GlobalAveragePool").dense(3, "")


def _tiny_conv(seed: int) -> Draft:
    return Draft("tiny", (1, 49, 40), seed).conv(8, (9, 7), 2).classes(4)


def _har_cnn(seed: int) -> Draft:
    draft = Draft("har", (6, 128), seed).conv(32, 9).pool("MaxPool", 4).conv(32, 9).pool("MaxPool", 4)
    return draft.dense(64).classes(6)


def _eeg_net(seed: int) -> Draft:
    draft = Draft("eeg", (1, 8, 128), seed).conv(8, (1, 31), act="").conv(16, (8, 1), groups=8, same=False)
    return draft.pool("AveragePool", 1, 4).separable(16, 1).classes(2)


def _vgg_series(seed: int) -> Draft:
    draft = Draft("vgg", (2, 256), seed)
    for filters in (12, 20, 36):
        draft.conv(filters, 3).conv(filters, 3).pool()
    return draft.dense(50).classes(3)


def _all_convolutions(seed: int) -> Draft:
    draft = Draft("all", (3, 24, 24), seed).conv(20, 3).conv(20, 3, 2).conv(40, 3).conv(40, 3, 2).conv(40, 1)
    return draft.pool("GlobalAveragePool").classes(7)


def _wide_rows(seed: int) -> Draft:
    return Draft("wide", (561,), seed).dense(48).dense(24).classes(6)


def _two_classes(seed: int) -> Draft:
    return Draft("two", (5, 90), seed).conv(14, 5, 2).conv(28, 5, 2).pool("GlobalAveragePool").classes(2)
