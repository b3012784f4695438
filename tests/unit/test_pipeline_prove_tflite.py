"""The forms of .tflite in a proof: whole pipelines in LiteRT and TFLM, and which of them rounds as the graph says."""

from __future__ import annotations

import importlib.util
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import marked
from edgewright.core.records.network import Rounding
from edgewright.core.records.proof import ProofRecord
from edgewright.proof.tolerance import BYTES, Form
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import Subject, forms_of, tflm
from edgewright.workflows.proof.subject import Chosen, subject_of
from integer_layers import need_litert, need_tflm
from integer_networks import picture, samples_of
from proof_example import fitted, form_of, proven, subject, with_constants

REFERENCE = "integer reference"
WHOLE, OWN, TFLM = (
    "int8 whole .tflite in LiteRT reference",
    "int8 whole .tflite in LiteRT XNNPACK",
    "int8 .tflite in TFLM",
)


def rounded(rounding: Rounding) -> Subject:
    """Return the example, its int8 graph marked."""
    graphs = {**subject().graphs, "int8": marked(subject().graphs["int8"], rounding)}
    return subject_of("example", graphs, pipeline=fitted())


def fast(about: Subject) -> list[Form]:
    """Return its forms without those that a compiler makes first."""
    return [form for form in forms_of(about) if "C99" not in form.name and "extension" not in form.name]


def verdicts(record: ProofRecord) -> dict[str, bool | None]:
    return {pair.second: pair.exact_from_boundary for pair in record.pairs if pair.first == REFERENCE}


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["litert", "tflm"])
def test_the_kernels_the_graph_names_are_bit_exact_and_the_others_a_step_away(rounding: Rounding) -> None:
    need_litert()
    need_tflm()
    about = rounded(rounding)
    assert about.network is not None and about.network.rounding == rounding
    record = proven(about, fast(about))
    assert record.passed, record.breaks
    answer = {form.name: form for form in record.forms}
    ours, other = (WHOLE, TFLM) if rounding == "litert" else (TFLM, WHOLE)
    assert answer[ours].rounding == "ours" and answer[other].rounding == "own" == answer[OWN].rounding
    assert verdicts(record)[ours]
    for name in (WHOLE, OWN, TFLM, "float whole .tflite in LiteRT reference", "float .tflite in TFLM"):
        assert answer[name].begins == "raw rows"
        stages = answer[name].stages
        assert stages[:3] == ("impute", "spectral", "scale") and stages[-3:] == ("probabilities", "label", "flags")
        assert (BYTES in stages) == name.startswith("int8") and "layer 1 dense" in stages
    assert answer["int8 .tflite in LiteRT reference"].begins == "the boundary"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["float whole .tflite in LiteRT reference", "float .tflite in TFLM"])
def test_a_changed_imputer_in_a_whole_file_is_found_at_its_stage(name: str) -> None:
    need_litert()
    need_tflm()
    graph = subject().graphs["float"]
    node = next(n for n in graph.nodes if n.op == "Where")
    wrong = {node.inputs[2]: graph.constants[node.inputs[2]] + np.float32(0.01)}
    faulty = form_of(with_constants("float", wrong), name)
    record = proven(forms=[faulty if form.name == name else form for form in fast(subject())])
    assert not record.passed and record.odd == name
    assert record.breaks is not None and record.breaks.stage == "impute"


def tflite_forms(about: Subject) -> list[Form]:
    return list(tflm.FORMS.make(about))


def test_without_the_interpreter_the_form_is_absent_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    about = subject_of("example", subject().graphs, pipeline=fitted())
    find_spec = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:  # noqa: ANN401
        return None if name == "tflite_micro" else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert tflite_forms(about) == [] and "tflite-micro is not installed" in about.absent[-1].reason


def test_where_tflm_lacks_an_operator_the_network_alone_runs() -> None:
    need_litert()
    need_tflm()
    graph = subject().graphs["float"]
    # The sign of a value times its size: the same numbers by an operator that TFLM has not.
    sign = msgspec.structs.replace(graph.nodes[0], op="Sign", inputs=(graph.boundary,), outputs=("s",), attributes={})
    size = msgspec.structs.replace(sign, op="Abs", outputs=("a",))
    both = msgspec.structs.replace(sign, op="Mul", inputs=("s", "a"), outputs=("end",))
    index = next(i for i, node in enumerate(graph.nodes) if graph.boundary in node.outputs) + 1
    after = tuple(
        msgspec.structs.replace(n, inputs=tuple("end" if i == graph.boundary else i for i in n.inputs))
        for n in graph.nodes[index:]
    )
    nodes = (*graph.nodes[:index], sign, size, both, *after)
    other = msgspec.structs.replace(graph, nodes=nodes, boundary="end", stages=graph.stages)
    (form,) = tflite_forms(subject_of("example", {"float": other}))
    assert not form.whole and form.note.startswith("the network alone")
    broken = msgspec.structs.replace(other, boundary="")
    about = subject_of("example", {"float": broken})
    assert tflite_forms(about) == [] and "neither" in about.absent[-1].reason


@pytest.mark.slow
def test_a_layer_after_flatten_is_shown_in_the_order_of_the_graph() -> None:
    need_litert()
    graph = picture()
    rows = samples_of(graph)[:20]
    about = subject_of("picture", {"float": graph, "int8": quantise(graph, rows)})
    chosen = Chosen(rows, tuple(f"row {i}" for i in range(len(rows))), "rows")
    record = prove_subject(about, "picture", chosen, fast(about))
    assert record.passed, record.breaks
    assert "layer 6 relu" in {stage.stage for pair in record.pairs for stage in pair.stages}
