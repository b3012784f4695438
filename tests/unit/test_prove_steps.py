"""NAME_steps of a network with a state is proven as exported, and a fault in it is named; `score` judges such a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c99_stages import need_compiler, use_one_compiler
from cli_runner import Cli
from edgewright.compression.int8 import quantise
from edgewright.core.errors import GraphError, InputError
from edgewright.core.records.network import IntegerNetwork
from edgewright.core.records.proof import ProofRecord
from edgewright.export.c99_stream.stream import write_network_stream_c99
from edgewright.graph.builder import Builder
from edgewright.graph.streaming import NetworkStream
from edgewright.models.architecture import architecture
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.forms.steps import EVERY, SAVED
from edgewright.workflows.proof.subject import Chosen, subject_of

CHANNELS, SAMPLES = 3, 12
X = np.random.default_rng(2).standard_normal((24, CHANNELS, SAMPLES)).astype(np.float32)
LAYERS: tuple[dict[str, Any], ...] = (
    {"kind": "conv1d", "filters": 4, "kernel": 3, "stride": 2, "padding": "causal"},
    {"kind": "lstm", "units": 5, "sequence": True},
    {"kind": "gru", "units": 4},
)
Change = Callable[[str], str]
LYING = "out/mine_steps.c in C99"


@pytest.fixture(autouse=True)
def _one_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler()
    use_one_compiler(monkeypatch)


def subject(layers: Sequence[dict[str, Any]] = LAYERS) -> Subject:
    """Return a random network as it is proven."""
    layers_of = architecture([dict(layer) for layer in layers], (CHANNELS, SAMPLES), 2)
    builder = Builder("state", (CHANNELS, SAMPLES))
    builder.boundary(builder.input)
    value = layers_of.to_graph(layers_of.initialise(np.random.default_rng(1)), builder, builder.input)
    graph = quantise(builder.finish({"prediction": (value, "float32", (2,))}), X)
    return subject_of("state", {"int8": graph})


def proof(one: Subject, change: Change = str, network: IntegerNetwork | None = None) -> ProofRecord:
    """Return the proof of a subject beside exported steps: its own or those of another network, with a change."""
    exported = network or one.network
    assert exported is not None
    files = write_network_stream_c99(exported, name="mine_steps")
    files["mine_steps.c"] = change(files["mine_steps.c"])
    lying = Artefact("out/mine_steps.c", "steps", {name: text.encode() for name, text in files.items()})
    chosen = Chosen(X, tuple(f"sample {n}" for n in range(len(X))), "random samples")
    return prove_subject(replace(one, artefacts=(lying,)), "here", chosen)


TEMPORAL: tuple[dict[str, Any], ...] = (
    {"kind": "conv1d", "filters": 4, "kernel": 3, "stride": 2, "padding": "causal"},
    {"kind": "depthwise_separable", "filters": 5, "kernel": 3, "dilation": 2, "padding": "causal"},
    {"kind": "last_sample"},
)


@pytest.mark.parametrize("layers", [LAYERS, TEMPORAL], ids=["with a state", "causal convolutions"])
def test_every_step_and_the_copies_of_a_state_are_proven(layers: tuple[dict[str, Any], ...]) -> None:
    record = proof(subject(layers))
    assert record.passed
    shown = {form.name: form.stages for form in record.forms if "step" in form.name}
    assert {"integers step by step", LYING} < set(shown)
    assert all({EVERY, SAVED} < set(stages) for stages in shown.values())
    pairs = [pair for pair in record.pairs if {pair.first, pair.second} & set(shown)]
    whole = [pair for pair in pairs if "integer reference" in (pair.first, pair.second)]
    assert whole and all(pair.exact_from_boundary for pair in whole)


def _weight(text: str) -> str:
    match = re.search(r"static const int8_t \w+\[\d+\] = \{\s*(-?\d+)", text)
    assert match is not None
    return text[: match.start(1)] + str(int(match[1]) ^ 64) + text[match.end(1) :]


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        (_weight, EVERY),
        (lambda text: text.replace("bytes + MINE_STEPS_SAVED_BYTES - 4, 4) != 0", "bytes, 0) != 0"), SAVED),
        (lambda text: re.sub(r"    memcpy\(context->state\d+, at, \d+\);\n", "", text, count=1), EVERY),
        (lambda text: re.sub(r"    memcpy\(context->line0, at, \d+\);\n", "", text, count=1), EVERY),
    ],
    ids=["a weight", "a checksum that is not read", "a state that is not restored", "samples that are not restored"],
)  # fmt: skip
def test_a_fault_in_the_steps_is_named(change: Change, stage: str) -> None:
    one = subject()
    assert one.network is not None
    plain = write_network_stream_c99(one.network, name="mine_steps")["mine_steps.c"]
    assert change(plain) != plain
    record = proof(one, change)
    assert not record.passed and record.odd == LYING
    pair = next(pair for pair in record.pairs if (pair.first, pair.second) == ("integers step by step", LYING))
    assert pair.breaks is not None and pair.breaks.stage == stage


def test_the_steps_of_another_network_are_not_proven() -> None:
    record = proof(subject(), network=subject(({"kind": "gru", "units": 4},)).network)
    (form,) = (form for form in record.absent if form.name == LYING)
    assert "the steps of another network" in form.reason


def test_a_network_that_needs_the_whole_window_says_why_it_has_no_steps() -> None:
    one = subject(layers=({"kind": "lstm", "units": 3, "sequence": True}, {"kind": "flatten"}))
    (form,) = (form for form in proof(one, network=subject().network).absent if "step by step" in form.name)
    assert "It needs the whole window" in form.reason


def test_real_numbers_are_refused_on_a_stream_of_bytes() -> None:
    one = subject()
    assert one.network is not None
    with pytest.raises(GraphError, match="expected bytes \\(int8\\), got float32"):
        NetworkStream(one.network).push(np.full((2, CHANNELS), np.nan, np.float32))


@pytest.mark.slow
def test_steps_that_are_exported_are_no_part_of_the_stream_around_the_model(
    made_run: Path, tmp_path: Path, cli: Cli
) -> None:
    cli("export", made_run, "--to", "c99", "--out", tmp_path)
    record = cli.json("prove", str(made_run), "--with", str(tmp_path))
    forms = {file["name"].rpartition("/")[2]: file["forms"] for file in record["files"]}
    word = made_run.name
    assert record["passed"]
    assert [name.endswith(f"{word}_steps.c in C99") for name in forms[f"{word}_steps.c"]] == [True]
    assert forms[f"{word}_steps.h"] == forms[f"{word}_steps.c"]


def test_a_gru_that_is_written_out_in_tflite_is_not_read_and_says_what_to_do(
    made_run: Path, tmp_path: Path, cli: Cli
) -> None:
    cli("export", made_run, "--to", "tflite", "--out", tmp_path)
    message = cli("estimate", tmp_path / f"{made_run.name}.network.tflite", "--device", "cortex-m4", code=2)
    assert "A GRU that is written out sample by sample is not read: import its .onnx" in message


def test_score_gives_a_run_with_a_state_the_figures_of_its_record(made_run: Path, cli: Cli) -> None:
    answer = cli.json("score", str(made_run))
    assert [form["name"] for form in answer["forms"]] == ["float", "int8"]
    package = cli.json("score", str(made_run / f"{made_run.name}.edge"), "--data", str(made_run.parent / "rows.csv"))
    assert package["samples"] > answer["samples"] and package["figures"]["rmse"]["value"] > 0


@pytest.fixture(scope="module")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a run over windows of six machines, with a GRU."""
    folder = tmp_path_factory.mktemp("state")
    rng, lines = np.random.default_rng(5), ["a,b,left,machine"]
    for machine in range(6):
        wear = np.cumsum(rng.random(60))
        noise = rng.standard_normal((60, 2)) / 10
        lines += [f"{w + n:.3f},{m:.3f},{40 - w:.3f},m{machine}" for w, (n, m) in zip(wear, noise, strict=True)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "state.toml").write_text(_CONFIG.format(data=folder / "rows.csv"))
    run_pipeline(read_config(str(folder / "state.toml"), ()), out=str(folder))
    return folder / "state"


_CONFIG = """
name = "state"
title = "Cycles left"
task = "regression"
[data]
kind = "csv"
path = "{data}"
target = "left"
session = "machine"
group = "machine"
[window]
samples = 10
step = 5
within = "recording"
target = "last"
[split]
by = "group"
[[stages]]
kind = "scale"
method = "standard"
[[model.layers]]
kind = "gru"
units = 4
[training]
epochs = 3
batch = 8
"""


@pytest.mark.slow
def test_a_state_before_the_output_cannot_learn_on_a_device_and_says_what_to_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng, lines = np.random.default_rng(5), ["a,b,label,machine"]
    for machine in range(6):
        for label in ("low", "middle", "high"):
            centre = ("low", "middle", "high").index(label)
            rows = centre + rng.standard_normal((20, 2)) / 4
            lines += [f"{a:.3f},{b:.3f},{label},m{machine}" for a, b in rows]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    text = _CONFIG.format(data=tmp_path / "rows.csv").replace('"regression"', '"classification"')
    text = (
        text.replace('target = "left"', 'target = "label"')
        .replace('target = "last"', "")
        .replace('"recording"', '"label"')
    )
    (tmp_path / "state.toml").write_text(text + '[adapt]\nlayer = "output"\n')
    with pytest.raises(InputError, match="expected a dense layer before the output, whose values are not negative"):
        run_pipeline(read_config(str(tmp_path / "state.toml"), ()), out=str(tmp_path))
