"""A finder: packed on the desk, and asked in a process of a device without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from email.message import EmailMessage
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.archive import from_npy, to_npy
from edgewright.core.errors import (
    CheckFailedError,
    DocumentIndexError,
    EncoderMismatchError,
    FormatNewerError,
    InputError,
    MissingExtraError,
    UnknownNameError,
)
from edgewright.core.own_models import OwnFile
from edgewright.nlp import finder as module
from edgewright.nlp.documents.media import MediaGraph
from edgewright.nlp.finder import SPEC, TESTED, Finder, FinderSpec, file_record
from media_encoders import COLOURS, sounds, word_pair

# What no device has, and what a device may not do.
_ALONE = """
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        refused = name.split(".")[0] in {refused} or name.startswith(("edgewright.language", "edgewright.data"))
        return None if refused else super().find_spec(name, path, target)
sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
import socket
def no_network(*_):
    raise AssertionError("a network")
socket.socket.connect = socket.getaddrinfo = no_network
from edgewright.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
_DESK = ("jax", "optax", "sklearn", "scipy", "onnx", "polars", "tokenizers", "jinja2", "starlette", "pandas")


def _on_device(*arguments: object, without: tuple[str, ...] = (), code: int = 0) -> Any:  # noqa: ANN401 - what JSON holds
    program = _ALONE.replace("{refused}", repr({*_DESK, *without}))
    command = [sys.executable, "-c", program, "device", "find", *map(str, arguments), "--json"]
    environment = {**os.environ, "HOME": "/nonexistent"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


@pytest.fixture(scope="module")
def plants(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a pair, a manual of diseases by colour, its finder, and pictures of leaves."""
    folder = tmp_path_factory.mktemp("plants")
    pair = word_pair(folder / "pair")
    text = "\n\n".join(f"# {name} blight\n\n{name} photo. Cut the {name} noise." for name in COLOURS)
    (folder / "manual.md").write_text(text)
    for command in (
        ("index", folder / "manual.md", "--encoder", pair, "--out", folder / "manual.index"),
        ("pack", folder / "manual.index", "--encoder", pair, "--licence", "MIT", "--question", "blue noise",
         "--is", "a red photo", "--out", folder / "plants.finder"),
    ):  # fmt: skip
        assert run(["language", *map(str, command)]) == 0
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(folder / f"{name}.png")
    return folder


def test_a_device_answers_what_a_picture_is_without_network_and_desk(plants: Path, cli: Cli) -> None:
    leaves = [plants / f"{name}.png" for name in COLOURS]
    answers = _on_device(plants / "plants.finder", *leaves, "--top", 1)
    assert [answer["nearest"][0]["path"][-1] for answer in answers] == [f"{name} blight" for name in COLOURS]
    # The same passages and scores as on the desk.
    for leaf, answer in zip(leaves, answers, strict=True):
        ask = "language", "ask", "--index", plants / "manual.index", "--encoder", plants / "pair", "--like", leaf
        desk = cli.json(*ask, "--top", 1)[0]
        assert (desk["text"], desk["sentence"]) == (answer["nearest"][0]["text"], answer["nearest"][0]["sentence"])
        assert answer["nearest"][0]["score"] == pytest.approx(desk["score"], abs=1e-5)
        is_red = cli.json("language", "zero-shot", leaf, "--is", "a red photo", "--encoder", plants / "pair")
        assert answer["choice"]["label"] == is_red["label"]
        assert answer["choice"]["confidence"] == pytest.approx(is_red["confidence"], abs=1e-4)
    assert [answer["choice"]["label"] == "a red photo" for answer in answers] == [True, False, False]


def test_the_base_install_answers_where_it_has_the_operators(plants: Path) -> None:
    (answer,) = _on_device(plants / "plants.finder", plants / "green.png", "--top", 1, without=("onnxruntime",))
    assert answer["nearest"][0]["path"][-1] == "green blight"
    (words,) = _on_device(plants / "plants.finder", "--question", "Blue  NOISE", "--top", 1, without=("onnxruntime",))
    assert words["nearest"][0]["path"][-1] == "blue blight" and words["file"] is None


def test_the_extra_is_one_of_the_distribution_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def distribution(name: str) -> None:
        if name == "edgewright":
            raise metadata.PackageNotFoundError

    extras = EmailMessage()
    extras["Provides-Extra"] = "camera"
    assert "'edgewright[camera]'" in str(MissingExtraError("camera", "Pillow"))
    monkeypatch.setattr(metadata, "distribution", distribution)
    monkeypatch.setattr(metadata, "metadata", lambda name: extras)
    assert "'edgewright-device[camera]'" in str(MissingExtraError("camera", "Pillow"))
    assert "'edgewright[train]'" in str(MissingExtraError("train", "polars"))


def test_sounds_are_found_by_words_less_those_that_are_known(tmp_path: Path, cli: Cli) -> None:
    pair, folder = word_pair(tmp_path / "ears", kind="sound"), sounds(tmp_path)
    cli("language", "index", "--sounds", folder, "--encoder", pair, "--out", tmp_path / "songs.index")
    pack = "language", "pack", tmp_path / "songs.index", "--encoder", pair, "--licence", "CC0-1.0"
    packed = cli.json(*pack, "--question", "early", "--out", tmp_path / "songs.finder")
    assert (packed["media"], packed["engine"], packed["licence"]) == ("sound", "numpy", "CC0-1.0")
    ask = tmp_path / "songs.finder", "--question", "early"
    (new,) = _on_device(*ask, without=("PIL", "onnxruntime"))
    assert [hit["text"] for hit in new["nearest"]] == ["early.wav", "late.wav"]
    (new,) = _on_device(*ask, "--unlike", folder / "early.wav", without=("PIL", "onnxruntime"))
    assert [hit["text"] for hit in new["nearest"]] == ["late.wav"]


def _copy(plants: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plants / "plants.finder", tmp_path / "copy.finder"))


@pytest.mark.parametrize("name", ["documents.index", "encoder/vision_model.onnx", TESTED, "test/0.png"])
def test_a_changed_or_missing_file_is_refused(plants: Path, tmp_path: Path, name: str) -> None:
    folder = _copy(plants, tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(DocumentIndexError, match=name):
        Finder(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match="No such file"):
        Finder(folder)


def test_another_answer_than_on_the_desk_is_refused(plants: Path, tmp_path: Path, cli: Cli) -> None:
    """A device whose decoder or arithmetic is another one: here the expected vectors are, under a fitting hash."""
    folder = _copy(plants, tmp_path)
    spec = msgspec.json.decode((folder / SPEC).read_bytes(), type=FinderSpec)
    vectors = from_npy((folder / TESTED).read_bytes(), "").copy()
    vectors[0] = vectors[0] * 0.99 + 0.14 * np.roll(vectors[0], 1)
    vectors[0] /= np.linalg.norm(vectors[0])
    (folder / TESTED).write_bytes(to_npy(vectors))
    files = tuple(file_record(folder, folder / file.path) for file in spec.files)
    (folder / SPEC).write_bytes(msgspec.json.encode(msgspec.structs.replace(spec, files=files)))
    with pytest.raises(CheckFailedError, match="another answer than on the desk"):
        Finder(folder)
    assert "another answer" in cli("device", "find", folder, plants / "red.png", code=1)
    outside = msgspec.structs.replace(spec, files=(OwnFile("../x", 1, ""), *spec.files))
    (folder / SPEC).write_bytes(msgspec.json.encode(outside))
    with pytest.raises(DocumentIndexError):
        Finder(folder)
    newer = msgspec.structs.replace(spec, version=module.VERSION + 1)
    (folder / SPEC).write_bytes(msgspec.json.encode(newer))
    with pytest.raises(FormatNewerError):
        Finder(folder)


@pytest.mark.parametrize("wrong", ["as doubles", "one too few", "one number too few"])
def test_vectors_of_another_shape_or_type_are_refused(plants: Path, tmp_path: Path, wrong: str) -> None:
    folder = _copy(plants, tmp_path)
    vectors = from_npy((folder / TESTED).read_bytes(), "")
    changed = {
        "as doubles": vectors.astype(np.float64), "one too few": vectors[1:], "one number too few": vectors[:, 1:],
    }  # fmt: skip
    (folder / TESTED).write_bytes(to_npy(changed[wrong]))
    spec = msgspec.json.decode((folder / SPEC).read_bytes(), type=FinderSpec)
    files = tuple(file_record(folder, folder / file.path) for file in spec.files)
    (folder / SPEC).write_bytes(msgspec.json.encode(msgspec.structs.replace(spec, files=files)))
    with pytest.raises(EncoderMismatchError, match=r"expected .* vectors of"):
        Finder(folder)


def test_an_encoder_that_gives_no_numbers_here_is_refused(plants: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_graph = MediaGraph._run
    monkeypatch.setattr(MediaGraph, "_run", lambda graph, value: run_graph(graph, value) * np.float32("nan"))
    with pytest.raises(CheckFailedError, match="another answer than on the desk"):
        Finder(plants / "plants.finder")


def test_passages_of_a_document_without_headings_are_shown(plants: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "manual.txt").write_text("\n\n".join(f"{name} photo. Cut the {name} noise." for name in COLOURS))
    pair, index, finder = plants / "pair", tmp_path / "manual.index", tmp_path / "plants.finder"
    cli("language", "index", tmp_path / "manual.txt", "--encoder", pair, "--out", index)
    cli("language", "pack", index, "--encoder", pair, "--licence", "MIT", "--out", finder)
    assert "red photo. Cut the red noise." in cli("device", "find", finder, plants / "red.png")


def test_wrong_questions_and_files_are_refused_in_a_sentence(plants: Path, tmp_path: Path, cli: Cli) -> None:
    folder = plants / "plants.finder"
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert "a picture that can be read" in cli("device", "find", folder, tmp_path / "a.png", code=2)
    assert "neither" in cli("device", "find", folder, code=2)
    assert "which `edgewright language pack` writes" in cli("device", "find", tmp_path, tmp_path / "a.png", code=2)
    with Finder(folder) as opened, pytest.raises(UnknownNameError, match="blue noise"):
        opened.vector(None, "green noise")
    pack = "language", "pack", plants / "manual.index", "--encoder", plants / "pair"
    assert "a folder that is not there yet" in cli(*pack, "--licence", "MIT", "--out", folder, code=2)
    assert "such as --licence MIT" in cli(*pack, "--out", tmp_path / "new", code=2)
    other = word_pair(tmp_path / "other")
    wrong = cli("language", "pack", plants / "manual.index", "--encoder", other, "--licence", "MIT", "--out",
                tmp_path / "new", code=2)  # fmt: skip
    assert "the index's encoder, 'pair'" in wrong
    (plants / "words.md").write_text("# A\n\nWords alone.")
    cli("language", "index", plants / "words.md", "--out", tmp_path / "words.index")
    assert "one of words alone" in cli("language", "pack", tmp_path / "words.index", "--encoder", other, "--out",
                                       tmp_path / "new", code=2)  # fmt: skip
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".new*"))


def test_an_encoder_of_operators_that_the_base_install_lacks_needs_onnxruntime(plants: Path, tmp_path: Path) -> None:
    folder = _copy(plants, tmp_path)
    spec = msgspec.json.decode((folder / SPEC).read_bytes(), type=FinderSpec)
    (folder / SPEC).write_bytes(msgspec.json.encode(msgspec.structs.replace(spec, engine="onnxruntime")))
    error = _on_device(folder, plants / "red.png", without=("onnxruntime",), code=2)
    assert "edgewright[engines]" in error
