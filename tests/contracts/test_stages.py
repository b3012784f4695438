"""Every stage of `preprocessing` and `features`, found by file name, keeps the same promises."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from sklearn.base import clone

from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Context, Stage, StageConfig, emit
from edgewright.runtime.catalogue import find, listing
from edgewright.runtime.executor import compile_graph
from edgewright.runtime.onnx_reader import read_onnx
from edgewright.schema.errors import InputError

Floats = NDArray[np.float32]
ROOMS = ("edgewright.preprocessing", "edgewright.features")
KINDS = [(room, kind) for room in ROOMS for kind in listing(room, "STAGE")]

# A stage without an example here fails `test_every_stage_has_an_example`. The first word says what arrives.
EXAMPLES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "units": [
        ("rows", {"scale": 0.5, "offset": 3.0, "unit": "g"}),
        ("windows", {"scale": {"full_scale": 4.0, "bits": 16}}),
        (
            "windows",
            {
                "offset": [1.0, 2.0, 3.0],
                "channels": ["acc_x", "acc_y", "acc_z"],
                "maps": [{"channels": ["acc_x", "acc_y", "acc_z"], "axes": ["-y", "x", "z"]}],
            },
        ),
    ],
    "resample": [("windows", {"rate": 48.0}), ("windows", {"rate": 25.0, "samples": 60})],
    "impute": [
        ("rows", {"strategy": "mean"}),
        ("rows", {"strategy": "constant", "value": -1.5}),
        ("windows", {"strategy": "median"}),
    ],
    "scale": [
        ("rows", {}),
        ("rows", {"method": "standard", "clip": 3.0}),
        ("rows", {"method": "robust", "clip": [-2.0, 4.0]}),
        ("windows", {"method": "standard"}),
        ("windows", {"method": "minmax", "clip": 0.0}),
    ],
    "filter": [
        ("whole windows", {"cutoff": 5.0}),
        ("whole windows", {"band": "high", "cutoff": 0.5, "order": 2}),
        ("whole windows", {"band": "band", "cutoff": [0.5, 12.0], "order": 3, "zero_phase": True}),
    ],
    "channels": [
        ("whole windows", {"add": [{"what": "magnitude", "of": ["acc_x", "acc_y", "acc_z"], "name": "acc"}]}),
        (
            "whole windows",
            {
                "add": [
                    {"what": "split", "of": ["acc_x", "acc_y", "acc_z"]},
                    {"what": "jerk", "of": ["acc_x body", "gyro"]},
                    {"what": "vertical", "of": ["acc_x", "acc_y", "acc_z"], "name": "acc"},
                    {"what": "magnitude", "of": ["acc_x body", "acc_y body", "acc_z body"], "name": "body"},
                ],
                "keep": "new",
            },
        ),
    ],
    "statistics": [
        ("whole windows", {}),
        (
            "whole windows",
            {
                "features": [
                    *("mean", "std", "min", "max", "range", "rms", "mean_abs", "mean_abs_deviation", "mean_abs_diff"),
                    *("energy", "variance", "zero_crossings", "skewness", "kurtosis", "slope", "mobility"),
                ],
                "log": True,
                "correlations": "all",
                "autocorrelation": [1, 10],
            },
        ),
        ("whole windows", {"features": ["std"], "channels": ["gyro", "acc_x"], "correlations": [["acc_x", "gyro"]]}),
    ],
    "spectral": [
        ("whole windows", {}),
        (
            "whole windows",
            {
                "features": ["flatness", "peak_power", "spread", "bands", "peak", "entropy", "energy", "centroid"],
                "edges": [0.3, 2.0, 5.0, 10.0, 25.0],
                "window": "none",
                "log": False,
                "channels": ["acc_z", "gyro"],
            },
        ),
    ],
    "log_mel": [("sound", {"mels": 20}), ("sound", {"mels": 12, "scale": "slaney", "fft": 512, "flatten": True})],
    "mfcc": [("sound", {"mels": 20}), ("sound", {"mels": 20, "coefficients": 5, "flatten": True})],
    "polynomial": [("whole rows", {}), ("whole rows", {"interaction_only": True})],
    "select": [("whole rows", {"k": 3}), ("whole rows", {"k": 4, "score": "anova"})],
    "pca": [("whole rows", {"components": 3}), ("whole rows", {"components": 0.9})],
    "flatten": [("whole windows", {})],
    "compress": [("whole rows", {}), ("whole windows", {"scale": 0.1})],
    "union": [
        (
            "whole windows",
            {
                "parts": [
                    {"kind": "statistics", "log": True, "correlations": "all"},
                    {"kind": "spectral", "bands": 5},
                    {"kind": "spectral", "features": ["bands"], "bands": 5},
                ]
            },
        ),
        ("whole rows", {"parts": [{"kind": "select", "k": 2}, {"kind": "polynomial"}]}),
    ],
}
CASES = [(room, kind, n) for room, kind in KINDS for n in range(len(EXAMPLES.get(kind, [])))]


def windows(n: int, rng: np.random.Generator) -> Floats:
    """Acceleration in g with gravity, from stillness to running, and a gyroscope far from zero; (n, 4, 128)."""
    time = np.arange(128) / 50.0
    strength = 10.0 ** rng.uniform(-2.5, 0.3, (n, 1, 1))
    tone = np.sin(2 * np.pi * (rng.uniform(0.5, 8.0, (n, 1, 1)) * time + rng.uniform(0, 1, (n, 4, 1))))
    level = np.concatenate([rng.normal(0, 0.6, (n, 3, 1)), np.full((n, 1, 1), 30.0)], axis=1)
    values = level + strength * tone + 0.003 * rng.normal(size=(n, 4, 128))
    values[0] = level[0]  # a sensor that does not move at all
    return values.astype(np.float32)


def rows(n: int, rng: np.random.Generator) -> Floats:
    """Columns of very different size, one at a large level, one constant; (n, 6)."""
    values = rng.normal(size=(n, 6)) * [1.0, 20.0, 0.01, 1.0, 3.0, 0.0] + [0.0, 5.0, 0.0, 101325.0, 0.0, 7.0]
    values[:, 4] += values[:, 0]
    return values.astype(np.float32)


def sound(n: int, rng: np.random.Generator) -> Floats:
    """Tones and noise from quiet to loud; (n, 1, 4000) at 8 kHz."""
    time = np.arange(4000) / 8000.0
    tone = np.sin(2 * np.pi * rng.uniform(100, 3000, (n, 1, 1)) * time)
    loud = 10.0 ** rng.uniform(-2, 0, (n, 1, 1))
    return (loud * tone * np.exp(-time * rng.uniform(0, 8, (n, 1, 1))) + 0.002 * rng.normal(size=(n, 1, 4000))).astype(
        np.float32
    )


def arriving(words: str) -> tuple[Floats, Context]:
    """Samples for an example, with missing values unless they are 'whole', and their context."""
    rng = np.random.default_rng(7)
    if words == "sound":
        X, labels, rate = sound(60, rng), "microphone", 8000.0
    elif words.endswith("windows"):
        X, labels, rate = windows(300, rng), "acc_x acc_y acc_z gyro", 50.0
    else:
        X, labels, rate = rows(500, rng), "s0 s1 s2 s3 s4 s5", 0.0
    names = tuple(labels.split())
    if words in ("rows", "windows"):
        X[rng.uniform(size=X.shape) < 0.05] = np.nan
    return X, Context(
        shape=X.shape[1:], names=names, units=("",) * len(names), rate=rate or None, task="classification", seed=3
    )


def targets(X: Floats) -> NDArray[np.str_]:
    first = X.reshape(len(X), -1)[:, 0]
    return np.where(first > np.nanmedian(first), "walking", "sitting")


def built(room: str, kind: str, number: int) -> tuple[Stage[Any], Any, Floats]:
    stage: Stage[Any] = find(room, kind, "STAGE", "stage")
    words, table = EXAMPLES[kind][number]
    X, context = arriving(words)
    return stage, stage.build(msgspec.convert(table, stage.config), context), X


def graph_bytes(estimator: Any, X: Floats) -> bytes:  # noqa: ANN401 - any estimator
    builder = Builder("stage", X.shape[1:])
    value = emit(estimator, builder, builder.input)
    return to_onnx(builder.finish({"output": (value, "float32", estimator.transform(X[:2]).shape[1:])}))


def in_onnxruntime(model: bytes, X: Floats) -> Floats:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": X})[0])


def share_of_tolerance(python: Floats, graph: Floats) -> float:
    """Largest difference in units of what is allowed: relative 1e-5 plus 1e-5 of the spread over the samples."""
    expected = python.astype(np.float64)
    missing = np.isnan(expected)
    assert (missing == np.isnan(graph)).all()
    whole = np.where(missing, 0.0, expected)
    counts = np.maximum(1, (~missing).sum(axis=0))
    average = whole.sum(axis=0) / counts
    spread = np.sqrt((np.where(missing, 0.0, whole - average) ** 2).sum(axis=0) / counts)
    allowed = 1e-5 * np.abs(whole) + 1e-5 * spread + np.finfo(np.float32).tiny
    return float((np.abs(np.where(missing, 0.0, graph - whole)) / allowed).max())


def stored(value: Any) -> Any:  # noqa: ANN401 - what a state may hold
    """A state as it comes back from JSON and .npy files."""
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return np.load(io.BytesIO(file.getvalue()), allow_pickle=False)
    if isinstance(value, dict):
        return {str(key): stored(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [stored(part) for part in value]
    return json.loads(json.dumps(value))


def test_every_stage_has_an_example() -> None:
    assert {kind for _, kind in KINDS} == set(EXAMPLES)


def test_kinds_are_unique_over_the_rooms() -> None:
    kinds = [kind for _, kind in KINDS]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize(("room", "kind"), KINDS)
def test_configuration_is_frozen_strict_and_documented(room: str, kind: str) -> None:
    stage: Stage[Any] = find(room, kind, "STAGE", "stage")
    config = stage.config
    assert issubclass(config, StageConfig)
    assert config.__struct_config__.frozen
    assert config.__struct_config__.forbid_unknown_fields
    for field in msgspec.structs.fields(config):
        assert f"{field.name}:" in (config.__doc__ or ""), f"{kind}: {field.name} is not described"
    assert stage.formula
    assert "shape_" in stage.state
    assert dataclasses.is_dataclass(stage)


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_fit_transform_names_and_why(room: str, kind: str, number: int) -> None:
    stage, estimator, X = built(room, kind, number)
    before = X.copy()
    result = estimator.fit(X, targets(X)).transform(X)
    np.testing.assert_array_equal(X, before)
    assert result.dtype == np.float32
    assert len(result) == len(X)
    assert result.ndim in (2, 3)
    names = list(estimator.get_feature_names_out())
    assert len(names) == result.shape[1] == len(set(names))
    assert all(isinstance(name, str) and name for name in names)
    assert not np.isinf(result).any()
    why = stage.why(estimator)
    assert why.endswith(".")
    assert any(letter.isdigit() for letter in why)
    assert "\n" not in why
    assert len(estimator.transform(X[:0])) == 0
    np.testing.assert_allclose(estimator.transform(X[3:5]), result[3:5], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_clone_is_unfitted_and_learns_the_same(room: str, kind: str, number: int) -> None:
    _, estimator, X = built(room, kind, number)
    y = targets(X)
    expected = estimator.fit(X, y).transform(X)
    again = clone(estimator)
    assert not hasattr(again, "shape_")
    np.testing.assert_array_equal(again.fit_transform(X, y), expected)


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_onnx_runtime_equals_python(room: str, kind: str, number: int) -> None:
    _, estimator, X = built(room, kind, number)
    result = estimator.fit(X, targets(X)).transform(X)
    graph = in_onnxruntime(graph_bytes(estimator, X), X)
    assert graph.dtype == np.float32
    assert graph.shape == result.shape
    assert share_of_tolerance(result, graph) <= 1.0


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_the_numpy_engine_of_a_device_runs_the_same_graph(room: str, kind: str, number: int) -> None:
    _, estimator, X = built(room, kind, number)
    result = estimator.fit(X, targets(X)).transform(X)
    run = compile_graph(read_onnx(graph_bytes(estimator, X)))
    assert share_of_tolerance(result, run(X)["output"]) <= 1.0
    assert run(X[:1])["output"].shape == (1, *result.shape[1:])


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_state_restores_the_same_stage(room: str, kind: str, number: int) -> None:
    stage, estimator, X = built(room, kind, number)
    estimator.fit(X, targets(X))
    state = {name: stored(getattr(estimator, name)) for name in stage.state}
    _, restored, _ = built(room, kind, number)
    for name, value in state.items():
        setattr(restored, name, value)
    np.testing.assert_array_equal(restored.transform(X), estimator.transform(X))
    assert graph_bytes(restored, X) == graph_bytes(estimator, X)
    assert list(restored.get_feature_names_out()) == list(estimator.get_feature_names_out())
    assert stage.why(restored) == stage.why(estimator)


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_impossible_input_is_refused_in_one_line(room: str, kind: str, number: int) -> None:
    _, estimator, X = built(room, kind, number)
    y = targets(X)
    infinite = X.copy()
    infinite.reshape(-1)[5] = np.inf
    for bad in (X[:, 0] if X.ndim == 2 else X[:, 0, 0], infinite, X[:0], [["a"]]):
        with pytest.raises(InputError, match=f"stage {kind}") as caught:
            clone(estimator).fit(bad, y)
        assert "\n" not in str(caught.value)
    estimator.fit(X, y)
    with pytest.raises(InputError, match="shape"):
        estimator.transform(np.concatenate([X, X], axis=1))
    if not estimator.missing:
        holes = X.copy()
        holes[2, 0] = np.nan
        with pytest.raises(InputError, match="missing"):
            clone(estimator).fit(holes, y)


@pytest.mark.parametrize(("room", "kind"), KINDS)
def test_a_shape_no_stage_can_take_is_refused_when_built(room: str, kind: str) -> None:
    stage: Stage[Any] = find(room, kind, "STAGE", "stage")
    for number, (words, table) in enumerate(EXAMPLES[kind]):
        _, context = arriving(words)
        config = msgspec.convert(table, stage.config)
        with pytest.raises(InputError, match=kind):
            stage.build(config, dataclasses.replace(context, shape=(3, 4, 5)))
        assert number < len(EXAMPLES[kind])
