"""Networks as C99: bytes as the reference has them, answers as the graph has them, and what the header promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from c99_examples import ROUNDINGS, load_together
from c99_stages import fitted, need_compiler
from edgewright.core.errors import (
    CompilerMissingError,
    ExportError,
    GeneratedCodeFailedError,
    SampleShapeError,
    UnknownNameError,
)
from edgewright.core.integer.network import run_integer, to_integers, to_reals
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, Rounding, Value
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99, write_network_c99
from edgewright.export.c99_code.unit import Lifetime, plan
from edgewright.export.c99_host.host import STRICT, CModel, compile_c99, compiler_command, load_c99
from edgewright.graph.builder import Builder
from edgewright.graph.extract import integer_network
from integer_networks import LAYERS, in_c, picture, samples_of, small, trained
from stage_examples import CASES

FLAGS = (*STRICT, "-O1", "-ffp-contract=off")
NETWORKS = [*LAYERS, "picture"]


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Skip the tests where no compiler is installed."""
    need_compiler()


def float_form(name: str) -> Graph:
    return picture() if name == "picture" else trained(name)


def answers(graph: Graph, rounding: Rounding, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax of the raw outputs of the integer reference."""
    network = integer_network(graph, rounding)
    bytes_in = to_integers(network.values[network.input], x)
    raw = to_reals(network.values[network.output], run_integer(network, bytes_in))
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CModel]:
    """Return every network, compiled together: float, and integers with both roundings."""
    need_compiler()
    files_of = {f"float_{name}": write_c99(float_form(name), CodeOptions(f"float_{name}")) for name in NETWORKS}
    for name in NETWORKS:
        for rounding in ROUNDINGS:
            word = f"{rounding}_{name}"
            files_of[word] = write_network_c99(integer_network(small(name), rounding), name=word)
    return load_together(files_of, tmp_path_factory.mktemp("networks"), flags=FLAGS)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_byte_of_an_integer_network_is_that_of_the_reference(
    name: str, rounding: Rounding, models: dict[str, CModel]
) -> None:
    network = integer_network(small(name), rounding)
    x = np.random.default_rng(1).integers(-128, 128, (300, *network.values[network.input].shape)).astype(np.int8)
    outputs = models[f"{rounding}_{name}"].network(in_c(network, x))
    np.testing.assert_array_equal(outputs, run_integer(network, x).reshape(300, -1))


@pytest.mark.parametrize("name", ["dense", "separable"])
@pytest.mark.parametrize("rounding", ["litert", "tflm"])
def test_a_quantised_pipeline_answers_as_the_reference(name: str, rounding: Rounding, tmp_path: Path) -> None:
    graph = small(name)
    x = samples_of(graph)
    model = load_c99(write_c99(graph, CodeOptions("whole"), integer_network(graph, rounding)), tmp_path, flags=FLAGS)
    answer, expected = model.predict(x), answers(graph, rounding, x)
    np.testing.assert_allclose(answer.outputs["probabilities"], expected, atol=2e-7)
    np.testing.assert_array_equal(answer.outputs["label"], expected.argmax(axis=1))
    np.testing.assert_array_equal(answer.outputs["confidence"], answer.outputs["probabilities"].max(axis=1))
    np.testing.assert_array_equal(answer.stages["model"], answer.outputs["probabilities"])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_float_network_answers_as_the_graph(name: str, models: dict[str, CModel]) -> None:
    graph = float_form(name)
    x = samples_of(graph)
    outputs = models[f"float_{name}"].predict(x).outputs
    for output, expected in compile_graph(graph)(x).items():
        np.testing.assert_allclose(outputs[output], expected, rtol=1e-5, atol=1e-6)


def test_an_integer_network_may_come_with_the_float_graph(tmp_path: Path) -> None:
    network = integer_network(small("conv1d"))
    one = write_c99(small("conv1d"), CodeOptions("one"), network)
    other = write_c99(trained("conv1d"), CodeOptions("one"), network)
    assert one["one.c"] == other["one.c"]


def test_bytes_share_memory_and_the_header_says_how_much() -> None:
    text = write_network_c99(integer_network(small("pools")), name="net")["net.h"]
    outputs = re.search(r"Memory: (\d+) bytes of RAM .* \((\d+) bytes if", text)
    assert outputs is not None
    assert int(outputs[1]) < 0.6 * int(outputs[2])


def test_the_plan_never_lets_two_living_buffers_overlap() -> None:
    rng = np.random.default_rng(3)
    lives = []
    for key in range(60):
        first = int(rng.integers(0, 40))
        lives.append(Lifetime(key, int(rng.integers(1, 500)), first, first + int(rng.integers(0, 6))))
    offsets, size = plan(lives)
    assert size < 0.4 * sum(life.size for life in lives)
    for a in lives:
        assert offsets[a.key] % 4 == 0
        assert offsets[a.key] + a.size <= size
        for b in lives:
            together = a.key < b.key and a.first <= b.last and b.first <= a.last
            disjoint = offsets[a.key] + a.size <= offsets[b.key] or offsets[b.key] + b.size <= offsets[a.key]
            assert disjoint or not together


def test_numbers_outside_their_ranges_set_a_flag_and_missing_ones_do_not(tmp_path: Path) -> None:
    ranges = [(-1.0, 1.0), *[None] * 8, (0.0, float("inf"))]
    files = write_c99(
        trained("dense"), CodeOptions("ranged", columns=[f"s{i}" for i in range(10)], units=["g"], ranges=ranges)
    )
    assert "0: s0 in g, from -1 to 1" in files["ranged.h"]
    model = load_c99(files, tmp_path, flags=FLAGS)
    x = np.zeros((5, 10), np.float32)
    x[1, 0], x[2, 9], x[3, 0], x[4, 5] = 1.5, -0.1, np.nan, 1e9
    np.testing.assert_array_equal(
        model.predict(x).flags, [0, 1, 1, 4 | 8, 0]
    )  # a missing number leaves this model without an answer


def test_code_is_the_same_for_the_same_model_and_uses_no_heap_or_other_library() -> None:
    files = write_c99(small("pools"), CodeOptions("again"), integer_network(small("pools")))
    assert files == write_c99(small("pools"), CodeOptions("again"), integer_network(small("pools")))
    assert set(re.findall(r"#include <(\w+\.h)>", files["again.c"])) <= {"math.h", "stdint.h", "string.h"}
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\b", files["again.c"])
    integers = files["again.c"].partition("again_bytes(void) {")[2].partition("\n}")[0]
    assert "float" not in integers.replace("again_arena", "")
    assert "double" not in files["again.c"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pools", "picture"])
def test_address_and_undefined_behaviour_sanitizers_find_nothing(name: str, tmp_path: Path) -> None:
    graph = small(name)
    main = tmp_path / "main.c"
    files = write_c99(graph, CodeOptions("clean"), integer_network(graph))
    compile_c99(files, tmp_path, flags=FLAGS)
    main.write_text(_MAIN)
    flags = ["-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    build = [*compiler_command(), *flags, "main.c", "clean.c", "-o", "run", "-lm"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run([str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


_MAIN = """\
#include "clean.h"
int main(void) {
    static float in[CLEAN_INPUTS];
    static int8_t bytes[CLEAN_NETWORK_INPUTS], out[CLEAN_NETWORK_OUTPUTS];
    static clean_context context;
    static clean_network_context alone;
    CLEAN_ANSWER answer;
    for (int run = 0; run < 20; ++run) {
        for (int i = 0; i < CLEAN_INPUTS; ++i) {
            in[i] = (float)((i * 37 + run * 11) % 101 - 50) * (run < 15 ? 0.1f : 1e30f);
        }
        for (int i = 0; i < CLEAN_NETWORK_INPUTS; ++i) {
            bytes[i] = (int8_t)(run == 0 ? -128 : run == 1 ? 127 : (i * 29 + run * 7) % 256 - 128);
        }
        if (clean_predict(&context, in, &answer) != 0 || clean_network(&alone, bytes, out) != 0) {
            return 1;
        }
    }
    return 0;
}
""".replace("CLEAN_ANSWER", "clean_answer")


@pytest.mark.parametrize("name", ["double", "3d", "a-b", "", "ä"])
def test_a_name_that_c_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ExportError):
        write_c99(trained("dense"), CodeOptions(name))


def test_what_cannot_be_written_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    builder = Builder("odd", (4,))
    value = builder.op("Mystery", builder.input)
    with pytest.raises(UnknownNameError, match="Mystery"):
        write_c99(builder.finish({"prediction": (value, "float32", (4,))}), CodeOptions("odd"))
    with pytest.raises(ExportError):
        write_c99(trained("dense"), CodeOptions("odd", ranges=[(0.0, 1.0)]))
    with pytest.raises(ExportError):
        plain = Builder("plain", (4,))
        graph = plain.finish({"prediction": (plain.op("Relu", plain.input), "float32", (4,))})
        write_c99(graph, CodeOptions("odd"), integer_network(small("dense")))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(CompilerMissingError):
        compiler_command()


def test_code_that_a_compiler_refuses_is_said_with_its_first_error(tmp_path: Path) -> None:
    with pytest.raises(GeneratedCodeFailedError, match=r"C that compiles, got bad\.c:1"):
        compile_c99({"bad.c": "int f(void) { return g; }\n"}, tmp_path)


def test_samples_of_another_size_are_refused(tmp_path: Path) -> None:
    model = load_c99(write_c99(trained("dense"), CodeOptions("sized")), tmp_path, flags=FLAGS)
    with pytest.raises(SampleShapeError, match="10 numbers a sample, got 9"):
        model.predict(np.zeros((1, 9), np.float32))
    with pytest.raises(SampleShapeError):
        model.network(np.zeros((1, 9), np.int8))


def test_far_out_numbers_neither_crash_a_choice_nor_a_conversion(tmp_path: Path) -> None:
    builder = Builder("far", (3,))
    location = builder.op("Cast", builder.input, to=6)
    value = builder.op("Gather", builder.constant(np.arange(5, dtype=np.float32)), location, axis=0)
    graph = builder.finish({"prediction": (value, "float32", (3,))})
    flags = (*FLAGS, "-fsanitize=undefined", "-fno-sanitize-recover=all")
    model = load_c99(write_c99(graph, CodeOptions("far")), tmp_path, flags=flags)
    x = np.array([[1e30, -1e30, np.nan], [4.7, -1.0, 2.0], [np.inf, -np.inf, 6.0]], np.float32)
    np.testing.assert_array_equal(model.predict(x).outputs["prediction"], [[4, 0, 0], [4, 4, 2], [4, 0, 4]])


def test_an_output_that_is_a_constant_or_the_input_is_written(tmp_path: Path) -> None:
    builder = Builder("plain", (2,))
    first = builder.finish({"prediction": (builder.input, "float32", (2,))})
    graph = msgspec.structs.replace(first, outputs=(Value(name="input", shape=(2,)),))
    model = load_c99(write_c99(graph, CodeOptions("same")), tmp_path / "same", flags=FLAGS)
    np.testing.assert_array_equal(model.predict(np.ones((1, 2), np.float32)).outputs["prediction"], [[1, 1]])
    value = builder.op("Add", builder.number(1.0), builder.constant(np.array([[2.0, 3.0]], np.float32)))
    graph = builder.finish({"prediction": (value, "float32", (2,))})
    model = load_c99(write_c99(graph, CodeOptions("fixed")), tmp_path / "fixed", flags=FLAGS)
    np.testing.assert_array_equal(model.predict(np.ones((1, 2), np.float32)).outputs["prediction"], [[3, 4]])


@pytest.mark.parametrize("form", ["float", "int8"])
def test_tables_are_named_after_layers_and_stages_as_a_proof_counts_them(form: str) -> None:
    graph = trained("pools") if form == "float" else small("pools")
    text = write_c99(graph, CodeOptions("net"), None if form == "float" else integer_network(graph))["net.c"]
    outputs = re.findall(r"^static const \w+ net_(\w+)\[", text, re.MULTILINE)
    assert len(set(outputs)) == len(outputs)
    layers = ("conv_1", "depthwise_3", "conv_4", "dense_6", "dense_8")
    assert {f"{layer}_{role}" for layer in layers for role in ("weights", "bias")} <= set(outputs)
    assert {name.rsplit("_", 1)[0] for name in outputs} <= {*layers, "logistic_7"}
    scaled = fitted(*next(case for case in CASES if case[1] == "scale"))[0]
    text = write_c99(scaled, CodeOptions("stage", ranges=[(-1.0, 1.0)] * scaled.inputs[0].shape[0]))["stage.c"]
    assert {"stage_scale_table", "stage_input_low", "stage_input_high"} <= set(re.findall(r"\w+(?=\[\d+\] = )", text))
