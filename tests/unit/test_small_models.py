"""Small language models: what they need, who holds them, and how fast they can be at most."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.small_models import FOLDER, cache_bytes, fit, listing, load, weight_bytes
from edgewright.schema.errors import InputError, UnknownNameError

Capture = pytest.CaptureFixture[str]


def test_the_families_that_are_promised() -> None:
    families = {name.split("-")[0] for name in listing()}
    assert {"phi", "tinyllama", "opt", "pythia", "cerebras", "qwen2.5", "smollm2", "gemma", "llama"} <= families


@pytest.mark.parametrize("name", listing())
def test_every_model_says_where_its_figures_stand(name: str) -> None:
    model = load(name)
    assert model.heads % model.kv_heads == 0
    assert len(model.source) > 20
    assert len(model.score.source) > 20
    # Where a figure was not read again, the file says so.
    assert "looked up" in model.source
    assert "looked up" in model.score.source
    # Blocks of attention and feed-forward are at least 8 and at most 20 squares of the width.
    body = model.layers * model.hidden**2
    assert 8 * body * 0.5 < model.parameters < 20 * body + 2 * 260_000 * model.hidden


@pytest.mark.parametrize("name", [n for n in listing() if n.startswith(("opt", "cerebras")) and n != "opt-350m"])
def test_parameters_of_the_plain_kind_follow_from_their_shape(name: str) -> None:
    model = load(name)
    # 4 h^2 + 4 h of attention, 8 h^2 + 5 h of feed-forward, 4 h of norms a block; shared embeddings, places, last norm.
    words = 50272 + 2050 if name.startswith("opt") else 50257 + 2048
    block = 12 * model.hidden**2 + 13 * model.hidden
    assert model.parameters == model.layers * block + (words + 2) * model.hidden
    assert model.head * model.heads == model.hidden


def test_memory_by_hand() -> None:
    model = load("tinyllama-1.1b")
    assert cache_bytes(model, 2048) == 2 * 22 * 4 * 64 * 2048 * 2
    assert weight_bytes(model, 16) == 2 * model.parameters
    assert weight_bytes(model, 4) == round(model.parameters * 18 / 32)
    with pytest.raises(UnknownNameError, match="number of bits '5'"):
        weight_bytes(model, 5)


def test_who_holds_it_and_how_fast() -> None:
    fitted = fit(load("llama-3.2-1b"), 2048, ("cortex-m4", "gateway-arm64", "x86-64"))
    sixteen, _, four = fitted.needs
    assert sixteen.devices == ("gateway-arm64",)
    assert four.devices == ("gateway-arm64",), "762 MB are more than the 512 of a gateway that does other work"
    bandwidth = load_profile("gateway-arm64").bandwidth
    assert bandwidth is not None
    assert four.tokens["gateway-arm64"] == pytest.approx(bandwidth.value / (four.weights + four.cache))


def test_a_context_beyond_the_models_own_is_cut() -> None:
    assert fit(load("phi-2"), 10**6).context == 2048
    assert fit(load("llama-3.2-3b"), 10**6).context == 131072
    with pytest.raises(InputError, match="at least one token"):
        fit(load("phi-2"), 0)


@pytest.mark.slow
def test_no_microcontroller_holds_a_language_model() -> None:
    assert all("cortex-m4" not in need.devices for name in listing() for need in fit(load(name), 1).needs)


def test_the_command(tmp_path: Path, cli: Cli) -> None:
    out = cli("profiles")
    assert "cortex-m4" in out
    assert "17.1 GB/s" in out
    out = cli("profiles", "--llm", "--model", "phi-2", "--context", "4096")
    assert "context at most 2,048" in out
    assert "gateway-arm64 (8: 4.7, 4: 7.7)" in out
    rows = json.loads(cli("profiles", "--llm", "--json", "--device", "x86-64"))
    assert [row["model"]["name"] for row in rows] == list(listing())
    own = tmp_path / "own.toml"
    own.write_text((FOLDER / "phi-2.toml").read_text().replace('"phi-2"', '"own"'))
    assert run(["profiles", "--llm", "--model", str(own)]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--llm", "--model", "phi-3"], "Did you mean 'phi-2'?"),
        (["--model", "phi-2"], "--llm beside --model"),
        (["--device", "x86"], "no device profile 'x86'"),
        (["--llm", "--model", "none.toml"], "No such file"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], message: str, cli: Cli) -> None:
    assert message in cli("profiles", *arguments, code=2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"phi-2"', '"other"', "the name 'own'"),
        ("layers = 32", "layers = 0", "layers"),
        ("[score]", "[scores]", "scores"),
        ("[score]", "[score", "own.toml"),
        ("value = 68.8", "value = 168.8", "score.value"),
    ],
)
def test_a_file_with_a_mistake(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (FOLDER / "phi-2.toml").read_text()
    if old != '"phi-2"':
        text = text.replace('"phi-2"', '"own"')
    (tmp_path / "own.toml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        load(str(tmp_path / "own.toml"))
