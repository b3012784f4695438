"""A model file as the first layers of a network: what it gives, what training changes, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.compression.int8 import quantise
from edgewright.compression.qat import alone
from edgewright.compression.retraining import structured
from edgewright.core.errors import BackboneMissingError, ConfigError, InputError
from edgewright.core.records.data import Column
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.config import checked, config_hash, read_config
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.run import run_pipeline
from layer_examples import FILES
from picture_folder import write_pictures
from support import shared_data

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 3, 16, 16)).astype(np.float32)
X[30:, 0] *= 0.3
Y = np.repeat(["bright", "dark"], 30)
LAYERS: tuple[dict[str, Any], ...] = (
    {"kind": "conv2d", "filters": 4, "kernel": 3, "stride": 2},
    {"kind": "inverted_residual", "filters": 6, "stride": 2, "expand": 2},
    {"kind": "inverted_residual", "filters": 6, "expand": 2},
    {"kind": "global_average_pool"},
)
PIXELS = {"pixels": [0.0, 255.0]}


@pytest.fixture(scope="module")
def before() -> NetworkClassifier:
    """Return a small network that was trained before."""
    return NetworkClassifier(LAYERS, epochs=6, batch=10, learning_rate=0.01).fit(X, Y)


@pytest.fixture(scope="module")
def files(before: NetworkClassifier, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return its files by form."""
    folder = tmp_path_factory.mktemp("files")
    graph = graph_of([("model", before)], X.shape[1:], "before", tuple(Column(name=n) for n in "rgb"))
    network = alone(before)[0]
    rounded = quantise(network, X)
    files = {
        "float.onnx": to_onnx(graph),
        "int8.onnx": to_onnx(rounded),
        "float.tflite": to_tflite(float_network(network)),
        "int8.tflite": to_tflite(integer_network(rounded)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


def table(file: Path, **keys: Any) -> dict[str, Any]:  # noqa: ANN401 - keys of any type
    return {"kind": "backbone", "file": str(file), **({} if "int8" in file.name else PIXELS), **keys}


# Each form trains a network: a float file of one reader and an integer file of the other are fast.
OTHERS = [pytest.param(form, marks=pytest.mark.slow) for form in ("int8.onnx", "float.tflite")]


@pytest.mark.parametrize("form", ["float.onnx", "int8.tflite", *OTHERS])
def test_frozen_layers_give_what_the_file_gave(form: str, files: dict[str, Path], before: NetworkClassifier) -> None:
    model = NetworkClassifier((table(files[form]),), epochs=2).fit(X, Y)
    features, expected = model.layer_outputs(X)[0].values, before.layer_outputs(X)[3].values
    assert features.shape == (60, 6)
    limit = 1e-5 if "float" in form else 0.1
    assert np.abs(features - expected).max() <= limit * np.abs(expected).max()
    assert (model.predict(X) == Y).mean() >= 0.9


@pytest.mark.parametrize(
    "optimiser", ["adamw", *(pytest.param(name, marks=pytest.mark.slow) for name in ("prodigy", "schedule_free_adamw"))]
)
@pytest.mark.parametrize(
    ("freeze", "still"),
    [pytest.param(0.0, 0, marks=pytest.mark.slow), (0.5, 4), pytest.param(1.0, 7, marks=pytest.mark.slow)],
)
def test_the_first_share_of_the_layers_stays_as_it_was(
    freeze: float, still: int, optimiser: str, files: dict[str, Path]
) -> None:
    first = (table(files["float.onnx"], freeze=freeze), {"kind": "dropout", "rate": 0.1})
    keys: dict[str, Any] = {"optimiser": optimiser, "weight_decay": 0.1, "learning_rate": 0.01}
    # A change of the pixels keeps the frozen layers within the training step.
    model = NetworkClassifier(first, epochs=2, batch=10, augment=({"kind": "flip"},), **keys)
    start = model.planned(X.shape[1:], 1).initialise(np.random.default_rng(0))[0]
    after = model.fit(X, Y).parameters_[0]
    same = [np.array_equal(start[f"layer{n}.weights"], after[f"layer{n}.weights"]) for n in range(1, 8)]
    assert same == [True] * still + [False] * (7 - still)


def test_a_part_of_the_layers_is_a_map(files: dict[str, Path], before: NetworkClassifier) -> None:
    layers = (table(files["float.onnx"], depth=0.57), {"kind": "global_average_pool"})
    model = NetworkClassifier(layers, epochs=1).fit(X, Y)
    np.testing.assert_allclose(model.layer_outputs(X)[0].values, before.layer_outputs(X)[1].values, atol=1e-4)


@pytest.mark.slow
def test_a_fitted_network_needs_no_file(files: dict[str, Path], tmp_path: Path) -> None:
    file = Path(shutil.copy(files["float.onnx"], tmp_path / "moved.onnx"))
    model = NetworkClassifier((table(file), {"kind": "dense", "units": 5}), epochs=2).fit(X, Y)
    other = NetworkClassifier(model.layers)
    other.fitted_ = msgspec.json.decode(msgspec.json.encode({**model.fitted_, "parameters": [], "classes": []}))
    other.parameters_, other.classes_ = model.parameters_, model.classes_
    file.unlink()
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert other.layer_records() == model.layer_records()
    smaller = structured(model, 0.001)
    assert smaller.parameters_[1]["weights"].shape[1] < 5
    assert smaller.predict(X).shape == (60,)


@pytest.mark.slow
def test_windows_and_rows_have_backbones_too() -> None:
    for name, shape in (("keras-conv1d", (3, 32)), ("keras-dense", (6,))):
        samples = RNG.normal(size=(40, *shape)).astype(np.float32)
        layer = {"kind": "backbone", "file": str(FILES / f"{name}.onnx"), "freeze": 0.0}
        model = NetworkClassifier((layer,), epochs=2).fit(samples, np.arange(40) % 3)
        assert model.predict_proba(samples).shape == (40, 3)


def test_macs_are_those_of_the_published_network() -> None:
    file = shared_data("mlperf-tiny") / "models" / "vww_96_int8.tflite"
    model = NetworkClassifier(({"kind": "backbone", "file": str(file)},))
    network = model.planned((3, 96, 96), 1)
    assert network.layers[0].macs(network.configs[0], (3, 96, 96)) == 7_489_664 - 512


@pytest.mark.parametrize(
    ("keys", "shape", "message"),
    [
        ({"file": "absent.onnx"}, (3, 16, 16), "No such file"),
        ({"file": "model.h5"}, (3, 16, 16), "ends in .tflite or .onnx"),
        ({"file": "damaged.tflite"}, (3, 16, 16), "damaged.tflite|\\.tflite"),
        ({"file": str(FILES / "sklearn-linear.onnx")}, (6,), "a classifier alone"),
        ({"file": str(FILES / "sklearn-tree.onnx")}, (6,), "layers are one network"),
        ({"file": str(FILES / "torch-conv1d-fixed.onnx")}, (3, 32), "Mul"),
        ({"file": "float.onnx", **PIXELS}, (3, 20, 16), "Set height = 16 and width = 16"),
        ({"file": "float.onnx", **PIXELS}, (1, 16, 16), "Set colour = true"),
        ({"file": "float.onnx"}, (3, 16, 16), r"pixels = \[0, 1\]"),
        ({"file": "float.onnx", "pixels": [1.0, 0.0]}, (3, 16, 16), "white above"),
        ({"file": "float.onnx", "freeze": 1.5}, (3, 16, 16), "at most 1"),
        ({"file": "float.onnx", "sha256": "0" * 64}, (3, 16, 16), "SHA-256"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused_in_a_line(
    keys: dict[str, Any], shape: tuple[int, ...], message: str, files: dict[str, Path]
) -> None:
    folder = files["float.onnx"].parent
    (folder / "damaged.tflite").write_bytes(b"no model at all")
    layer = {"kind": "backbone", **keys, "file": str(folder / keys["file"])}
    samples = np.ones((4, *shape), np.float32)
    with pytest.raises(InputError, match=message) as caught:
        NetworkClassifier((layer,), epochs=1).fit(samples, [0, 1, 0, 1])
    assert "\n" not in str(caught.value)


def test_keys_of_the_model_become_its_first_layer(files: dict[str, Path], tmp_path: Path) -> None:
    base = {"name": "p", "data": {"kind": "pictures", "path": "."}}
    file = files["int8.tflite"]
    pipeline = checked({**base, "model": {"backbone": str(file), "freeze": 0.8}}, "p")
    assert [layer["kind"] for layer in pipeline.model.layers] == ["backbone"]
    assert pipeline.model.layers[0]["freeze"] == 0.8
    deep = checked({**base, "model": {"backbone": str(file), "depth": 0.5}}, "p")
    assert [layer["kind"] for layer in deep.model.layers] == ["backbone", "global_average_pool"]
    dense = {"kind": "dense", "units": 4}
    assert checked({**base, "model": {"backbone": str(file), "layers": [dense]}}, "p").model.layers[1:] == (dense,)
    with pytest.raises(BackboneMissingError, match="freeze without one"):
        checked({**base, "model": {"freeze": 0.8}}, "p")
    with pytest.raises(ConfigError):
        checked({**base, "model": {"backbone": str(file), "freeze": 1.2}}, "p")
    # The file lies beside the TOML, and where both lie has no part in the hash.
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        shutil.copy(file, folder / "small.tflite")
        text = f'name = "p"\n[data]\nkind = "pictures"\npath = "{tmp_path}"\n[model]\nbackbone = "small.tflite"\n'
        (folder / "p.toml").write_text(text)
    one, two = (read_config(str(tmp_path / side / "p.toml")) for side in "ab")
    assert one.model.layers[0]["file"] == str(tmp_path / "a" / "small.tflite")
    assert config_hash(one) == config_hash(two)


@pytest.mark.slow
def test_a_run_with_a_published_backbone_is_proven_and_needs_no_file(tmp_path: Path, cli: Cli) -> None:
    file = shutil.copy(shared_data("mlperf-tiny") / "models" / "vww_96_int8.tflite", tmp_path)
    config = checked(
        {
            "name": "shapes",
            "data": {"kind": "pictures", "path": str(write_pictures(tmp_path / "data")), "height": 96, "width": 96},
            "model": {"backbone": file, "depth": 0.41, "freeze": 0.8},
            "training": {"epochs": 6, "batch": 16, "learning_rate": 0.01},
            "compression": {"max_drop": 0.3},
            "device": {"profile": "cortex-m7"},
        },
        "shapes",
    )
    folder = run_pipeline(config, out=tmp_path / "runs").folder
    Path(file).unlink()
    assert "PROVEN" in cli("prove", folder)
    trace = json.loads((folder / "trace.json").read_text())
    assert trace["provenance"]["backbone"].startswith("vww_96_int8.tflite, SHA-256 ")
    assert trace["evaluation"]["accuracy"]["value"] > 0.6
    cli("export", folder, "--to", "c99", "--device", "cortex-m7", "--out", tmp_path / "c")
    assert "vww_96_int8.tflite" in (folder / "trace.html").read_text()
