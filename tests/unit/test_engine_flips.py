"""A run records of int8 what generated C answers; labels of other engines that differ are counted and shown."""

from __future__ import annotations

import io
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from edgewright.compression.int8 import quantise
from edgewright.core import engines
from edgewright.core.engines import Engine
from edgewright.core.integer.qdq import integer_network
from edgewright.core.records.proof import FormRecord, PairRecord, ProofRecord
from edgewright.core.records.trace import EngineFlips
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.package import variants
from edgewright.pipeline.package.packaging import answers, tolerance_of
from edgewright.pipeline.package.variants import answering, engine_flips, recording_engine
from edgewright.trace.blocks.terminal import blocks_parts
from edgewright.trace.html import page_html
from edgewright.trace.page import page_of
from edgewright.trace.sections.model import compression_blocks
from edgewright.trace.sentences.facts import engine_flips_text
from edgewright.trace.views.proof import proof_parts
from integer_networks import WINDOWS, small, trained
from runtime_example import classifier, numbers
from trace_example import trace


def probabilities(name: str) -> NDArray[np.float32]:
    return np.asarray(engines.get("numpy").load(to_onnx(small(name)))(WINDOWS)["probabilities"], np.float32)


def test_records_take_int8_from_the_base_install_and_float_from_the_first_engine() -> None:
    assert recording_engine(to_onnx(small("conv1d"))).name == "numpy"
    assert recording_engine(to_onnx(trained("conv1d"))) is engines.choose()


@pytest.mark.parametrize("name", ["pools", "conv1d"])
def test_int8_is_judged_and_packed_as_generated_c_answers(name: str) -> None:
    model = to_onnx(small(name))
    np.testing.assert_array_equal(answering(model)(WINDOWS), probabilities(name))
    np.testing.assert_array_equal(answers(model, WINDOWS), probabilities(name))


@pytest.mark.parametrize("size", [1, 40])
def test_an_engine_may_round_a_step_of_the_raw_outputs_the_other_way(size: int) -> None:
    # Of large inputs the raw outputs are large, and a step of theirs moves a probability further.
    graph = quantise(classifier(), np.float32(size) * numbers(500, 10, seed=5))
    network = integer_network(graph)
    steps = np.array([[0, 0, -40], [1, -1, -40]]) * network.values[network.output].scale
    moved = np.ptp(np.exp(steps)[:, 0] / np.exp(steps).sum(axis=1))
    allowed = tolerance_of("int8", to_onnx(graph))
    assert moved <= allowed
    assert (allowed == 0.08) == (size == 1)
    assert tolerance_of("float", to_onnx(classifier())) == 1e-4


def test_labels_of_another_engine_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    model, right = to_onnx(small("pools")), probabilities("pools")
    theirs = engines.get("onnxruntime").load(model)(WINDOWS)["label"].reshape(-1)
    flips = int((theirs != right.argmax(axis=1)).sum())
    assert engine_flips(model, WINDOWS, right) == (EngineFlips(engine="onnxruntime", flips=flips, samples=240),)

    def turned(model: bytes) -> engines.Answer:
        return lambda x: {"probabilities": np.roll(right[: len(x)], 1, axis=1)}

    other: Engine = replace(engines.get("onnxruntime"), name="turned", load=turned)
    monkeypatch.setattr(variants, "choose", lambda preferred=None: other)
    assert engine_flips(model, WINDOWS, right) == (EngineFlips(engine="turned", flips=240, samples=240),)


def test_nothing_is_counted_of_a_float_form_or_where_the_base_install_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_flips(to_onnx(trained("pools")), WINDOWS, probabilities("pools")) == ()
    monkeypatch.setattr(variants, "choose", lambda preferred=None: engines.get("numpy"))
    assert engine_flips(to_onnx(small("pools")), WINDOWS, probabilities("pools")) == ()


def test_they_stand_on_the_page_and_in_the_terminal() -> None:
    record = trace()
    assert record.compression is not None
    first, second = record.compression.variants[:2]
    counted = msgspec.structs.replace(second, engine_flips=(EngineFlips(engine="onnxruntime", flips=12, samples=300),))
    compression = msgspec.structs.replace(record.compression, variants=(first, counted))
    text = "int8 labels that differ from generated C: onnxruntime 12 of 300 (4.0 %)"
    assert engine_flips_text(counted) == text and engine_flips_text(first) == ""
    assert text in page_html(msgspec.structs.replace(record, compression=compression))
    parts = blocks_parts(compression_blocks(compression), page_of(Console(file=io.StringIO(), width=80)))
    assert text in [str(part) for part in parts]


def test_a_proof_lists_every_engine_with_a_rounding_of_its_own_beside_the_reference() -> None:
    names = (("integer reference", "ours"), ("int8 C99", "ours"), ("ONNX Runtime", "own"), ("LiteRT", "own"))
    forms = tuple(
        FormRecord(name=name, numbers="int8", rounding=rounding, samples=300)  # type: ignore[arg-type]
        for name, rounding in names
    )
    flips = {"int8 C99": 0, "ONNX Runtime": 12, "LiteRT": 0}
    pairs = tuple(
        PairRecord(
            first="integer reference", second=name, verdict="bit-exact", exact_from_boundary=count == 0, stages=(),
            flips=count, flips_by_class=(("walking", count),) if count else (),
        )
        for name, count in flips.items()
    )  # fmt: skip
    record = ProofRecord(
        name="images", subject="images.onnx", source="300 images", samples=300, shape=(3, 32, 32),
        labels=("walking", "running"), forms=forms, absent=(), pairs=pairs, passed=True,
    )  # fmt: skip
    text = "labels that differ from integer reference: ONNX Runtime 12 of 300 (4.0 %), LiteRT 0 of 300 (0.0 %)"
    page = page_of(Console(file=io.StringIO(), width=80))
    lines = [str(part) for part in proof_parts(record, page)]
    assert text in lines and not any("every form gives every sample the same label" in line for line in lines)
    equal = msgspec.structs.replace(record, pairs=pairs[:1])
    assert "every form gives every sample the same label" in [str(part) for part in proof_parts(equal, page)]
