"""The network and samples that a page trains again: encodings, and which models have none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import numpy as np
import pytest

import trace_example as example
from edgewright.core.records.trace_flow import TrainableLayer, TrainableNetwork
from edgewright.models.forest import Forest
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.config import read_config
from edgewright.pipeline.explanation.trainable import _differences, _encoded, trainable_network
from edgewright.pipeline.fitting import Flow
from edgewright.pipeline.material import Material
from edgewright.pipeline.run import run_pipeline
from edgewright.trace.html import PAGE_LIMIT, page_html
from small_pipeline import write_rows, write_toml


def trainable(tmp_path: Path, *more: str) -> TrainableNetwork | None:
    path = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    return run_pipeline(read_config(str(path), more), out=tmp_path / "runs").trace.trainable


def test_a_run_keeps_its_training_samples_as_the_network_takes_them(tmp_path: Path) -> None:
    known = trainable(tmp_path, "training.mixup=0.2")
    assert known is not None
    assert (known.names, known.classes, known.encoding) == (("a", "b"), ("off", "on"), "float32")
    assert known.layers == (TrainableLayer(units=8, activation="relu"), TrainableLayer(units=1, activation="linear"))
    assert (known.training, known.seed, known.epochs) == (known.training_samples, 3, 2)
    values = np.frombuffer(known.values, "<f4").reshape(-1, 2)
    assert len(values) == known.training + known.validation == len(known.targets)
    # The stage scales by all samples that are not tested.
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-6)
    assert set(known.targets) == {0, 1}
    assert known.differences == ("it mixes samples",)


def test_what_the_run_does_and_a_page_does_not_is_recorded() -> None:
    model = NetworkClassifier((), optimiser="prodigy", mixup=0.2)
    assert sorted(_differences(cast(Material, SimpleNamespace(extra=None)), model, (TrainableLayer(dropout=0.5),))) == [
        "it mixes samples",
        "it trains with prodigy, the page with Adam",
        "its layers drop other values",
    ]


def test_other_models_have_none() -> None:
    assert trainable_network(cast(Material, None), cast(Flow, None), Forest()) is None


def test_samples_that_are_not_to_be_kept_are_not(tmp_path: Path) -> None:
    assert trainable(tmp_path, "keep_samples=false") is None


def test_networks_above_20_000_parameters_have_none() -> None:
    model = NetworkClassifier(({"kind": "dense", "units": 150},) * 2)
    weights = model.planned((2,), 1).initialise(np.random.default_rng(0))
    model.fitted_ = {"parameters": weights, "shape": [2], "features": 2, "classes": np.array(["off", "on"])}
    assert trainable_network(cast(Material, None), cast(Flow, None), model) is None


@pytest.mark.parametrize(
    ("rows", "encoding", "close"), [(100, "float32", 0), (700, "float16", 1e-3), (2000, "uint8", 2e-3)]
)
def test_more_values_are_kept_in_fewer_bytes(rows: int, encoding: str, close: float) -> None:
    values = np.random.default_rng(0).random((rows, 50), dtype=np.float32)
    values[:, 3] = 0.25
    name, raw, low, step = _encoded(values)
    assert name == encoding
    numbers = np.frombuffer(raw, np.dtype(encoding).newbyteorder("<")).reshape(values.shape).astype(np.float64)
    kept = np.array(low) + np.array(step) * numbers if low else numbers
    np.testing.assert_allclose(kept, values, atol=close)


def large(rows: int) -> TrainableNetwork:
    """Return a network with more random bytes than a page takes."""
    columns, rng = 100, np.random.default_rng(0)
    return TrainableNetwork(
        names=tuple(f"c{i}" for i in range(columns)), encoding="uint8", low=(0.0,) * columns, step=(1.0,) * columns,
        values=rng.bytes(rows * columns), targets=bytes(rows), classes=("a", "b"), training=rows - 500, validation=500,
        training_samples=9_000, validation_samples=600, layers=(TrainableLayer(units=1, activation="linear"),),
        loss="sigmoid_cross_entropy", optimiser="adam", learning_rate=0.001, schedule="auto", warm_up=0.1,
        weight_decay=0.0, batch=32, epochs=3, label_smoothing=0.0, dropout=0.0, balanced=False, seed=0,
    )  # fmt: skip


def test_a_page_keeps_as_many_samples_as_fit() -> None:
    html = page_html(msgspec.structs.replace(example.trace(3), trainable=large(2_500)))
    assert 'id="train-data"' in html
    assert 0.9 * PAGE_LIMIT < len(html.encode()) < PAGE_LIMIT
    assert "of its 9,000 training samples" in html
    assert "on 2,000 of its" not in html


def test_samples_that_leave_too_little_are_left_out_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.trace.html.PAGE_LIMIT", len(page_html(example.trace(3))) + 60_000)
    html = page_html(msgspec.structs.replace(example.trace(3), trainable=large(2_500)))
    assert 'id="train-data"' not in html
    assert "The samples are too large for the page" in html


def test_windows_are_kept_in_a_byte_with_a_scale_for_each_channel() -> None:
    values = np.random.default_rng(0).random((300, 2, 128), dtype=np.float32) * np.array([[1], [50]], np.float32)
    name, raw, low, step = _encoded(values)
    assert (name, len(low), len(step)) == ("uint8", 2, 2)
    numbers = np.frombuffer(raw, np.uint8).reshape(values.shape)
    kept = np.array(low)[:, None] + np.array(step)[:, None] * numbers
    np.testing.assert_allclose(kept[:, 0], values[:, 0], atol=2e-3)
    np.testing.assert_allclose(kept[:, 1], values[:, 1], atol=0.1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "gru"}, "The page trains dense layers, convolutions over windows and pools, not gru."),
        ({"parameters": 30_000}, "The page trains networks of up to 20,000 parameters; this one has 34,355."),
    ],
)
def test_the_tab_says_why_a_network_is_not_trained(change: dict[str, object], sentence: str) -> None:
    trace = example.trace(3)
    first = msgspec.structs.replace(trace.layers[0], **change)
    html = page_html(msgspec.structs.replace(trace, trainable=None, layers=(first, *trace.layers[1:])))
    assert sentence in html
    assert 'id="train"' in html
