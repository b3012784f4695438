"""The compiled module: the answers of the graph, the bits of the integer reference, its cache, and what it refuses."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.compression.int8 import quantise
from edgewright.core import engines
from edgewright.core.engines import Engine, Times
from edgewright.core.engines.extension import answer_of, describe
from edgewright.core.errors import (
    CheckFailedError,
    EngineError,
    InputError,
    NativeModuleError,
    SampleShapeError,
    UnknownNameError,
)
from edgewright.core.integer.network import run_integer
from edgewright.core.package import write_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.prediction.objects import VARIABLE, cache_folder, cpu_features, find_module, load_module
from edgewright.core.predictor import load as runtime_load
from edgewright.core.records.network import Graph, Rounding
from edgewright.export._extension import build
from edgewright.export.answering import ensure_extension, load
from edgewright.export.contract import Subject
from edgewright.export.targets.extension import TARGET, build_extension
from edgewright.graph.builder import Builder
from edgewright.graph.extract import integer_network
from edgewright.graph.onnx_writer import to_onnx
from integer_networks import LAYERS, picture, samples_of, small, trained
from runtime_example import classifier, numbers, parts, regressor
from support import left_out

pytestmark = pytest.mark.numbers

FLOATS = {"rows": classifier, "windows": regressor, "picture": picture, **dict.fromkeys(LAYERS, trained)}


@pytest.fixture(autouse=True)
def compiler() -> None:
    if not build.can_build():
        left_out("a C compiler")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def graph_of(name: str) -> Graph:
    return trained(name) if name in LAYERS else FLOATS[name]()  # type: ignore[operator]


@pytest.mark.parametrize("name", FLOATS)
def test_float_answers_are_those_of_the_graph(name: str, cache: Path) -> None:
    graph = graph_of(name)
    x = numbers(40, *graph.inputs[0].shape)
    answers, wanted = answer_of(load_module(build_extension(graph, cache=cache)))(x), compile_graph(graph)(x)
    assert list(answers) == [output.name for output in graph.outputs]
    for key, value in wanted.items():
        assert answers[key].shape == value.shape
        assert answers[key].dtype == value.dtype
        np.testing.assert_allclose(answers[key], value, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in ("logistic", "pools", "lstm", "gru")])
def test_int8_networks_are_bit_exact(name: str, cache: Path) -> None:
    graph = small(name)
    network = integer_network(graph)
    module = load_module(build_extension(graph, cache=cache))
    assert describe(module).network == "int8"
    x = np.random.default_rng(0).integers(-128, 128, (200, *network.values[network.input].shape), dtype=np.int8)
    wanted = run_integer(network, x)
    assert np.array_equal(np.frombuffer(module.network(x), np.int8).reshape(wanted.shape), wanted)


@pytest.mark.parametrize("best", ["avx2", "sse4_1", "sse2"])
def test_a_lesser_processor_gets_a_module_of_its_own(
    best: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled for the features that are named and no more, in another folder, with the same bytes."""
    order = ["sse2", "pni", "ssse3", "sse4_1", "sse4_2", "avx", "avx2"]
    names = order[: order.index(best) + 1]
    if not cpu_features().issuperset(names):
        pytest.skip(f"left out: this processor has no {best}")
    graph = small("separable")
    here = cache_folder(tmp_path)
    monkeypatch.setenv(VARIABLE, " ".join(names))
    assert "-march=native" not in build.flags()
    path = build_extension(graph, cache=tmp_path)
    assert path.parent != here
    network, module = integer_network(graph), load_module(path)
    x = np.random.default_rng(0).integers(-128, 128, (100, *network.values[network.input].shape), dtype=np.int8)
    wanted = run_integer(network, x)
    assert np.array_equal(np.frombuffer(module.network(x), np.int8).reshape(wanted.shape), wanted)


@pytest.mark.parametrize("rounding", ["litert", "tflm"])
def test_an_exported_module_rounds_as_it_was_asked(rounding: Rounding, tmp_path: Path) -> None:
    graph = small("dense")
    (content,) = TARGET.files(Subject(name="dense", graph=graph, rounding=rounding)).values()
    (tmp_path / "dense.so").write_bytes(content)
    module = load_module(tmp_path / "dense.so")
    networks = {kind: integer_network(graph, kind) for kind in ("litert", "tflm")}
    inputs = networks["litert"].values[networks["litert"].input].shape
    x = np.random.default_rng(0).integers(-128, 128, (4000, *inputs), dtype=np.int8)
    wanted = {kind: run_integer(network, x) for kind, network in networks.items()}
    assert not np.array_equal(wanted["litert"], wanted["tflm"])
    got = np.frombuffer(module.network(x), np.int8).reshape(wanted["litert"].shape)
    assert np.array_equal(got, wanted[rounding])


@pytest.mark.parametrize("name", ["logistic", "pools", "picture"])
def test_operators_without_vector_code_run_one_by_one(name: str, cache: Path) -> None:
    """ReLU between pools and sigmoid are portable C; what stands beside them keeps its vectors."""
    graph = small(name)
    module = load_module(build_extension(graph, cache=cache))
    assert describe(module).network == "int8"
    network = integer_network(graph)
    whole = np.random.default_rng(0).integers(-128, 128, (50, *network.values[network.input].shape), dtype=np.int8)
    wanted = run_integer(network, whole)
    assert np.array_equal(np.frombuffer(module.network(whole), np.int8).reshape(wanted.shape), wanted)
    x = samples_of(graph)[:20]
    key = "prediction" if name == "picture" else "probabilities"
    assert np.abs(answer_of(module)(x)[key] - compile_graph(graph)(x)[key]).max() < 0.05


def test_layers_wider_than_the_registers_are_bit_exact(cache: Path) -> None:
    """Several blocks of groups, groups that are not full, and an odd number of inputs."""
    for widths, per_channel in (((10, 277, 33, 3), "always"), ((10, 515, 16, 3), "never")):
        graph = classifier(widths)
        quantised = quantise(graph, numbers(60, 10), per_channel=per_channel)  # type: ignore[arg-type]
        network = integer_network(quantised)
        module = load_module(build_extension(quantised, cache=cache))
        x = np.random.default_rng(1).integers(-128, 128, (60, 10), dtype=np.int8)
        assert np.array_equal(np.frombuffer(module.network(x), np.int8).reshape(60, 3), run_integer(network, x))


def test_two_dimensional_windows_are_bit_exact(cache: Path) -> None:
    """Uneven padding, strides and dilations, one filter a channel, a pool, 21 filters that fill no group."""
    rng = np.random.default_rng(2)
    build_graph = Builder("image", (3, 9, 8))
    build_graph.boundary(build_graph.input)

    def weights(*shape: int) -> tuple[str, str]:
        weights = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        bias = rng.standard_normal(shape[0]) / 4
        return build_graph.constant(weights.astype(np.float32)), build_graph.constant(bias.astype(np.float32))

    value = build_graph.op("Conv", build_graph.input, *weights(21, 3, 3, 2), strides=(2, 1), pads=(1, 0, 0, 2))
    value = build_graph.op("Relu", value)
    value = build_graph.op("Conv", value, *weights(21, 1, 3, 3), group=21, pads=(2, 2, 2, 2), dilations=(2, 2))
    value = build_graph.op("MaxPool", value, kernel_shape=(2, 2), strides=(1, 2), pads=(0, 1, 0, 0))
    value = build_graph.op("Conv", value, *weights(5, 21, 2, 2), dilations=(1, 2))
    value = build_graph.op("Flatten", value, axis=1)
    value = build_graph.op("Gemm", value, *weights(4, 5 * 2 * 3), transB=1)
    graph = build_graph.finish({"prediction": (value, "float32", (4,))})
    x = rng.standard_normal((30, 3, 9, 8)).astype(np.float32)
    module = load_module(build_extension(graph, cache=cache))
    assert describe(module).network == "float"
    np.testing.assert_allclose(answer_of(module)(x)["prediction"], compile_graph(graph)(x)["prediction"], atol=2e-6)
    small_graph = quantise(graph, x)
    network = integer_network(small_graph)
    module = load_module(build_extension(small_graph, cache=cache))
    assert describe(module).network == "int8"
    whole = rng.integers(-128, 128, (60, 3, 9, 8), dtype=np.int8)
    assert np.array_equal(np.frombuffer(module.network(whole), np.int8).reshape(60, 4), run_integer(network, whole))


def test_a_missing_value_is_imputed_and_one_row_is_as_many(cache: Path) -> None:
    graph = classifier()
    module = load_module(build_extension(graph, cache=cache))
    x = numbers(6, 10)
    x[2, 3], x[4, 0] = np.nan, np.inf
    many = answer_of(module)(x)
    wanted = compile_graph(graph)(x)
    np.testing.assert_allclose(many["probabilities"][[0, 1, 2, 3, 5]], wanted["probabilities"][[0, 1, 2, 3, 5]], 1e-5)
    for row, label, confidence in zip(x[:4], many["label"], many["confidence"], strict=False):
        given = module.row(row)
        assert given[:2] == (label, confidence)
        assert given[1] == max(given[2])
    assert len(answer_of(module)(x[:0])["label"]) == 0
    # Another layout and type come out the same.
    turned: Any = np.asfortranarray(x[:4].astype(np.float64))
    assert np.array_equal(answer_of(module)(turned)["probabilities"], many["probabilities"][:4])


def test_features_at_the_boundary_are_those_of_the_graph(cache: Path) -> None:
    graph, x = classifier(), numbers(5, 10)
    x[1, 2] = np.nan
    boundary = np.empty((5, 10), np.float32)
    module = load_module(build_extension(graph, cache=cache))
    module.boundary(x, boundary)
    np.testing.assert_allclose(boundary, compile_graph(graph, (graph.boundary,))(x)[graph.boundary], rtol=1e-6)
    with pytest.raises(ValueError, match="rows of 10 numbers"):
        module.boundary(x, boundary[:4])


def test_what_is_no_row_is_refused(cache: Path) -> None:
    module = load_module(build_extension(classifier(), cache=cache))
    for wrong in (np.zeros(9, np.float32), np.zeros(10), np.zeros(10, np.int32), np.zeros(20, np.float32)[::2], None):
        with pytest.raises((ValueError, TypeError, BufferError)):
            module.row(wrong)
    with pytest.raises(TypeError):
        module.batch(np.zeros((1, 10), np.float32))
    with pytest.raises(SampleShapeError, match="shape"):
        answer_of(module)(np.zeros((2, 9), np.float32))


@pytest.fixture
def steady_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load each engine as the measurement does, and say that the extension is the fastest: loads change real times."""

    def measure(engine: Engine, model: bytes, version: str) -> Times:
        engine.load(model)
        return Times(version=version, start=0.0, row=1e-7 if engine.name == "extension" else 1e-5)

    monkeypatch.setattr(engines, "measure", measure)


@pytest.mark.usefixtures("steady_times")
def test_the_engine_finds_what_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = to_onnx(classifier())
    assert engines.choose(model=model).name in ("onnxruntime", "numpy")
    with pytest.raises(EngineError):
        engines.get("extension").load(model)
    first = build_extension(model)
    assert first.parent == cache_folder()
    assert first.parent.stat().st_mode & 0o077 == 0
    assert engines.choose(model=model).name == "extension"
    stamp = first.stat().st_ino
    assert build_extension(classifier()) == first == find_module(model)
    assert first.stat().st_ino == stamp, "what was compiled before is taken as it is"
    assert list(first.parent.iterdir()) == [first]
    # A folder that others may write to is no place to load code from.
    first.parent.chmod(0o777)
    assert find_module(model) is None


@pytest.mark.usefixtures("steady_times")
def test_loading_a_package_compiles_it_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    manifest, files = parts()
    write_package(tmp_path / "activity.edge", manifest, files)
    monkeypatch.setenv("EDGEWRIGHT_COMPILE", "no")
    assert load(tmp_path / "activity.edge").engine.name in ("onnxruntime", "numpy")
    monkeypatch.delenv("EDGEWRIGHT_COMPILE")
    assert load(tmp_path / "activity.edge", engine="numpy").engine.name == "numpy"
    assert not list((tmp_path / "cache").rglob("*.so"))
    predictor = load(tmp_path / "activity.edge")
    assert predictor.engine.name == "extension"
    assert runtime_load(tmp_path / "activity.edge").engine.name == "extension", "the runtime finds what is there"
    x = numbers(9, 10)
    wanted = load(tmp_path / "activity.edge", engine="numpy").predict(x)
    assert predictor.predict(x).labels.tolist() == wanted.labels.tolist()
    np.testing.assert_allclose(predictor.predict(x).confidence, wanted.confidence, atol=1e-6)


def test_what_cannot_be_built_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckFailedError, match="longer than"):
        build_extension(classifier(), cache=tmp_path, seconds=0.001)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(build, "zig_command", lambda: ())
    assert not build.can_build()
    with pytest.raises(CheckFailedError, match=r"needs a C compiler. apt-get install gcc, or pip install .*ziglang"):
        build_extension(classifier(), cache=tmp_path)
    failing = tmp_path / "cc"
    failing.write_text("#!/bin/sh\necho 'x.c:1: error: no' >&2\nexit 1\n")
    failing.chmod(0o755)
    with pytest.raises(CheckFailedError, match="could not compile"):
        build_extension(classifier(), cache=tmp_path)
    assert not list(cache_folder(tmp_path).iterdir())
    with pytest.raises((InputError, UnknownNameError)):
        build_extension(b"no model", cache=tmp_path)


def test_options_in_cc_reach_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = build.compiler()
    monkeypatch.setenv("CC", f"{shlex.join(plain)} -DASKED=1 '-DTWO=\"a b\"'")
    assert build.compiler() == (*plain, "-DASKED=1", '-DTWO="a b"')
    shown = '__attribute__((visibility("default")))'
    text = f"#if ASKED != 1\n#error options are lost\n#endif\n{shown} const char *two = TWO;\n"
    files = {"m.c": text.encode()}
    build.compile_module(files, "m.c", tmp_path / "m.so", 60.0)
    assert b"a b" in (tmp_path / "m.so").read_bytes()
    monkeypatch.setenv("CC", "gcc '-DTWO")
    assert build.compiler() == plain, "no command: the first that is found"
    monkeypatch.setenv("CC", f"{shlex.join(plain)} --no-such-option")
    with pytest.raises(CheckFailedError, match="could not compile"):
        build_extension(classifier(), cache=tmp_path)


def test_a_compiler_that_failed_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("EDGEWRIGHT_COMPILE", raising=False)
    model = to_onnx(classifier())
    assert not ensure_extension(model, seconds=0.001)
    assert not ensure_extension(model), "although it could be done in more time"
    assert [path.suffix for path in cache_folder().iterdir()] == [".failed"]
    build_extension(model)
    assert ensure_extension(model)


def test_a_damaged_module_is_an_input_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"no library")
    with pytest.raises(NativeModuleError) as caught:
        load_module(broken)
    assert "\n" not in str(caught.value)
