"""A student's network in .tflite and ONNX: its bytes in every form are the same, and its answers are the student's."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from c99_language_example import INTENTS, built, jumble, model
from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.integer.network import run_integer
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Rounding
from edgewright.export.c99_language.student import write_features_c99
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.extract import integer_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.language.intents.network import float_graph, int8_graph
from edgewright.nlp.records import LanguageSpec, Vector
from edgewright.nlp.utterance.parse import Arrays, write_language
from edgewright.nlp.utterance.student import UNIT, ZERO, Student, features
from edgewright.nlp.utterance.values import LONGEST, normalised
from integer_layers import litert, need_litert, need_tflm, tflm

TEXTS = [text for text in (*jumble(3, 150), "a", "x" * LONGEST, "soda " * 200) if normalised(text) != " "]


def example() -> tuple[LanguageSpec, Arrays]:
    """With test vectors of several texts, which the range of the logits is taken from."""
    spec, arrays = model([], tagger=False)
    assert spec.student is not None
    known = Student(spec.student, arrays, len(INTENTS), "here")
    vectors = tuple(Vector(text=text, logits=tuple(known.logits(text).tolist())) for text in TEXTS[:60])
    return LanguageSpec(name="words", intents=spec.intents, student=spec.student, vectors=vectors), arrays


def inputs(spec: LanguageSpec) -> NDArray[np.int8]:
    assert spec.student is not None
    return np.stack([features(text, spec.student) for text in TEXTS])


@pytest.mark.parametrize("rounding", ["litert", "tflm"])
def test_interpreters_give_every_byte(rounding: Rounding) -> None:
    (need_litert if rounding == "litert" else need_tflm)()
    spec, arrays = example()
    network = integer_network(int8_graph(spec, arrays), rounding)
    given = inputs(spec)
    outputs = run_integer(network, given)
    np.testing.assert_array_equal((litert if rounding == "litert" else tflm)(to_tflite(network), given), outputs)
    # The table and the head are the student's own bytes: nothing is rounded a second time.
    first, second = (operator.arrays["weights"] for operator in network.operators)
    np.testing.assert_array_equal(first.T, arrays["table"])
    np.testing.assert_array_equal(second.T, arrays["head"])
    assert len(to_tflite(network)) < sum(array.nbytes for array in arrays.values()) + 2000
    assert len(np.unique(outputs)) > 50


def test_it_answers_as_the_student_does() -> None:
    spec, arrays = example()
    student = spec.student
    assert student is not None
    known = Student(student, arrays, len(INTENTS), "here")
    wanted = np.array([known.logits(text) for text in TEXTS]) * student.scale
    x = (inputs(spec).astype(np.float32) - ZERO) / np.float32(UNIT)
    floats = compile_graph(float_graph(spec, arrays))(x)
    network = integer_network(int8_graph(spec, arrays))
    last = network.values[network.output]
    ints = (run_integer(network, inputs(spec)).astype(np.float32) - last.zero) * np.float32(last.scale)
    # Where the two likeliest lie apart by more than the rounding of a sentence's length, the answer is the same.
    ordered = np.sort(wanted, axis=1)
    sure = ordered[:, -1] - ordered[:, -2] > 0.1 * np.ptp(wanted, axis=1)
    assert sure.mean() > 0.5
    np.testing.assert_array_equal(floats["label"][sure], wanted.argmax(axis=1)[sure])
    np.testing.assert_array_equal(ints.argmax(axis=1)[sure], wanted.argmax(axis=1)[sure])


# The student's own runs of characters and words, and one that a short text does not have.
@pytest.mark.parametrize(("name", "runs"), [("gcc", None), ("clang", None), ("gcc", ((5,), (2,)))])
def test_c_makes_the_same_input(name: str, runs: tuple[tuple[int, ...], ...] | None, tmp_path: Path) -> None:
    spec, _ = example()
    student = spec.student
    assert student is not None
    if runs:
        student = replace(student, characters=runs[0], words=runs[1])
        spec = replace(spec, student=student)
    for file, text in write_features_c99(spec, name="words").items():
        (tmp_path / file).write_text(text)
    flags = ("-O1", "-shared", "-fPIC")
    library = ctypes.CDLL(str(built(name, tmp_path, *flags, sources=("words_features.c",))))
    context = ctypes.create_string_buffer(1 << 16)
    for text in TEXTS:
        given, features_in_c = text.encode(), np.full(student.rows + 1, 77, np.int8)
        assert (
            library.words_features(
                context, given, ctypes.c_size_t(len(given)), ctypes.c_void_p(features_in_c.ctypes.data)
            )
            == 0
        )
        np.testing.assert_array_equal(features_in_c[:-1], features(text, student))
        assert features_in_c[-1] == 77
    for data, status in ((b" ?", 1), (b"x" * (LONGEST + 1), 2), (b"\xff", 3)):
        assert (
            library.words_features(
                context, data, ctypes.c_size_t(len(data)), ctypes.c_void_p(features_in_c.ctypes.data)
            )
            == status
        )


def test_onnx_runtime_runs_both_forms() -> None:
    spec, arrays = example()
    x = (inputs(spec).astype(np.float32) - ZERO) / np.float32(UNIT)
    for graph in (float_graph(spec, arrays), int8_graph(spec, arrays)):
        session = open_session(to_onnx(graph))
        label, chances, _ = session.run(["label", "probabilities", "confidence"], {"features": x})
        wanted = compile_graph(graph)(x)
        # ONNX Runtime may round a tie of integers the other way: a step of the logits.
        assert np.mean(label == wanted["label"]) > 0.98
        assert np.mean(np.abs(chances - wanted["probabilities"]) < 1e-4) > 0.95


def test_the_commands_write_them(tmp_path: Path, cli: Cli) -> None:
    need_litert()
    path = tmp_path / "words.language"
    write_language(path, *example())
    for target, file in (("tflite", "words.network.tflite"), ("onnx", "words.onnx"), ("c99", "words.c")):
        out = tmp_path / target
        record = cli.json("export", path, "--to", target, "--out", out)
        assert str(out / file) in {one["path"] for one in record["files"]}
    for wrong in (["--to", "tflit"], ["--to", "onnx", "--form", "half"], ["--to", "c99", "--form", "float"]):
        assert run(["export", str(path), *wrong, "--out", str(tmp_path / "no")]) == 2
    old_name = cli("language", "export", path, "--to", "c99", "--out", tmp_path / "no", code=2)
    assert "edgewright language export, which was removed. Use edgewright export MODEL" in old_name
    assert not (tmp_path / "no").exists()
