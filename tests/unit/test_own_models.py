"""Models that people bring: each kind is recognised, tested and recorded, and commands use it without a flag."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.core.errors import (
    EncoderError,
    InputError,
    InvalidNameError,
    LicenceMissingError,
    MissingFileError,
    OutputError,
    OwnModelError,
    UnknownNameError,
)
from edgewright.core.own_models import RECORD, choose, own_models
from edgewright.language.embedding import load
from edgewright.language.embedding.load import write_word_vectors
from edgewright.language.own_models.kinds import read_header
from edgewright.language.own_models.registration import add_model, remove_model
from edgewright.studio.chat import ChatFront
from media_encoders import picture_encoder, pictures, sound_encoder, sounds, word_pair
from own_model_files import WORDS, backbone, gguf, glove, model2vec, sentence_encoder, vectors, word2vec

LABELS = '[labels]\nrain = "the weather is wet outside"\nmoney = "price to pay"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


BROUGHT: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "glove": (lambda path: glove(path / "glove.txt"), "static_embeddings", "text"),
    "word2vec_text": (lambda path: glove(path / "news.vec", header=True), "static_embeddings", "text"),
    "word2vec": (lambda path: word2vec(path / "news.bin"), "static_embeddings", "text"),
    "model2vec": (lambda path: model2vec(path / "potion"), "static_embeddings", "text"),
    "sentences": (lambda path: sentence_encoder(path / "mini"), "sentence_encoder", "text"),
    "pictures": (lambda path: word_pair(path / "clip"), "media_encoder", "picture"),
    "pictures_alone": (lambda path: picture_encoder(path / "eye", text=False), "media_encoder", "picture"),
    "sounds": (lambda path: sound_encoder(path / "ears"), "media_encoder", "sound"),
    "backbone": (lambda path: backbone(path / "net.onnx"), "backbone", "backbone"),
    "gguf": (lambda path: gguf(path / "tiny.gguf", licence=""), "language_model", "phrasing"),
}


@pytest.mark.parametrize("name", BROUGHT)
def test_each_kind_is_recognised_tested_and_recorded(folder: Path, tmp_path: Path, name: str) -> None:
    write, kind, role = BROUGHT[name]
    source = write(tmp_path)
    record = add_model(source, licence="MIT")
    assert (record.kind, record.role, record.licence) == (kind, role, "MIT")
    assert own_models() == [record]
    assert record.self_test
    shutil.rmtree(source) if source.is_dir() else source.unlink()
    path = choose(role).path
    assert path is not None
    assert path.exists()
    assert path.is_relative_to(folder)
    if role == "text":
        related = load(path).encode(["the battery is empty", "charge of the cell", "it is raining outside"])
        assert related[0] @ related[1] > related[0] @ related[2] + 0.1
        assert load(path).encode(["", "unknownword"]).shape == (2, record.self_test["dimensions"])


def test_the_licence_is_read_from_the_files(folder: Path, tmp_path: Path) -> None:
    assert add_model(model2vec(tmp_path / "a")).licence == "mit"
    assert add_model(sentence_encoder(tmp_path / "b")).licence == "Apache-2.0"
    assert add_model(gguf(tmp_path / "c.gguf")).licence == "apache-2.0"
    with pytest.raises(LicenceMissingError, match="licence"):
        add_model(glove(tmp_path / "glove.txt"))
    assert {record.name for record in own_models()} == {"a", "b", "c"}
    assert folder.is_dir()


def test_word_vectors_of_all_formats_are_the_same_and_rare_words_count_more(tmp_path: Path) -> None:
    tables = []
    for name, write in (("t", glove), ("b", word2vec)):
        (tmp_path / name).mkdir()
        write_word_vectors(write(tmp_path / f"{name}.bin"), tmp_path / name)
        encoder = load(tmp_path / name)
        tables.append(encoder.encode(WORDS))
    np.testing.assert_allclose(tables[0], tables[1], atol=1e-5)
    unit = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
    np.testing.assert_allclose(tables[1], unit, atol=1e-5)
    both = encoder.encode(["the money"])[0]
    assert both @ unit[WORDS.index("money")] > both @ unit[0]


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda _: None, "no such path"),
    "unknown kind": (lambda path: path.write_bytes(b"\x00\x01"), "expected one of"),
    "empty folder": (lambda path: path.mkdir(), "a folder with nothing"),
    "broken onnx": (lambda path: (sentence_encoder(path) / "model.onnx").write_bytes(b"no graph"), "ONNX Runtime"),
    "no tokeniser": (lambda path: (sentence_encoder(path) / "tokenizer.json").unlink(), "tokenizer.json"),
    "no weights": (lambda path: (sentence_encoder(path) / "model.onnx").unlink(), "weights"),
    "broken tokeniser": (lambda path: (model2vec(path) / "tokenizer.json").write_text("{"), "tokenizer.json"),
    "cut weights": (lambda path: os.truncate(model2vec(path) / "model.safetensors", 400), "model.safetensors"),
    "no text tokeniser": (lambda path: (word_pair(path) / "tokenizer.json").unlink(), "tokenizer.json"),
    "padding counts": (lambda path: sentence_encoder(path, masked=False), "attention_mask"),
    "external weights gone": (
        lambda path: (sentence_encoder(path, external=True) / "weights.bin").unlink(), "weights.bin"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_model_is_refused_and_leaves_nothing(folder: Path, tmp_path: Path, name: str) -> None:
    write, message = WRONG[name]
    write(tmp_path / "brought")
    with pytest.raises((InputError, OutputError), match=message):
        add_model(tmp_path / "brought", licence="MIT")
    assert own_models() == []
    assert not list(folder.glob("*")) and not list(folder.glob(".*"))


def test_cut_files_of_vectors_and_language_models_name_the_place(tmp_path: Path, folder: Path) -> None:
    os.truncate(word2vec(tmp_path / "news.bin"), 700)
    with pytest.raises(EncoderError, match="expected 23 words, got"):
        add_model(tmp_path / "news.bin", licence="MIT")
    with glove(tmp_path / "glove.txt").open("a") as file:
        file.write("broken 1.0 2.0\n")
    with pytest.raises(EncoderError, match=r"glove\.txt line 24"):
        add_model(tmp_path / "glove.txt", licence="MIT")
    whole = gguf(tmp_path / "tiny.gguf").read_bytes()
    assert read_header(tmp_path / "tiny.gguf").weights == 32
    for size in (*range(8, len(whole) - 128, 9), len(whole) - 1):
        (tmp_path / "tiny.gguf").write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"tiny\.gguf"):
            add_model(tmp_path / "tiny.gguf", licence="MIT")
    assert folder.exists() is False or own_models() == []


def test_a_text_of_vectors_that_ends_between_two_words_is_refused(tmp_path: Path, folder: Path) -> None:
    lines = glove(tmp_path / "news.vec", header=True).read_text().splitlines()
    (tmp_path / "news.vec").write_text("\n".join(lines[:12]) + "\n")
    with pytest.raises(EncoderError, match="expected 23 words, got 11"):
        add_model(tmp_path / "news.vec", licence="MIT")
    assert not list(folder.glob("*"))


def _gguf_with(path: Path, entry: bytes) -> Path:
    content = gguf(path, licence="").read_bytes()
    head, tensor = content.index(b"llama") + 5, content.index(struct.pack("<Q", 17) + b"token_embd.weight")
    content = content[:head] + entry + content[tensor:]
    path.write_bytes(content[:16] + struct.pack("<Q", 2) + content[24:] + bytes(4096))
    return path


@pytest.mark.parametrize(
    ("key", "value"),
    [("general.alignment", struct.pack("<If", 6, np.inf)), ("general.alignment", struct.pack("<IQ", 8, 1) + b"x"),
     ("llama.context_length", struct.pack("<IQ", 8, 3) + b"abc")],
)  # fmt: skip
def test_odd_values_in_a_gguf_header_are_no_traceback(folder: Path, tmp_path: Path, key: str, value: bytes) -> None:
    path = _gguf_with(tmp_path / "odd.gguf", struct.pack("<Q", len(key)) + key.encode() + value)
    with suppress(InputError):
        assert add_model(path, licence="MIT").self_test == {"architecture": "llama", "weights": 32}
    assert len(list(folder.glob("*"))) == (key != "general.alignment")


def test_a_file_of_numbers_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "digits.txt").write_text("1" * 5000 + " 3\nx 1 2 3\n")
    with pytest.raises(OwnModelError, match=r"a file \.txt"):
        add_model(tmp_path / "digits.txt", licence="MIT")


def test_weights_that_a_graph_does_not_need_are_not_read(folder: Path, tmp_path: Path) -> None:
    source = sentence_encoder(tmp_path / "mini")
    (source / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert load(source).dimensions == 8
    assert add_model(source).kind == "sentence_encoder"
    assert folder.is_dir()
    (source / "model.onnx").unlink()
    with pytest.raises(EncoderError):
        load(source)


@pytest.mark.parametrize(
    ("front", "licence"),
    [("license:\nlanguage: en", "Apache-2.0"), ("license:\n- mit", "mit"), ("license: \ntags:", "Apache-2.0")],
)
def test_a_licence_is_no_other_line_of_the_readme(folder: Path, tmp_path: Path, front: str, licence: str) -> None:
    source = sentence_encoder(tmp_path / "mini")
    (source / "README.md").write_text(f"---\n{front}\n---\n")
    assert add_model(source).licence == licence
    assert folder.is_dir()


def test_a_linked_file_keeps_its_name_and_errors_name_it(folder: Path, tmp_path: Path) -> None:
    gguf(tmp_path / "0a1b2c")
    (tmp_path / "tiny.gguf").symlink_to(tmp_path / "0a1b2c")
    assert add_model(tmp_path / "tiny.gguf").name == "tiny"
    (tmp_path / "0a1b2c").write_bytes(b"GGUF")
    with pytest.raises(OwnModelError) as error:
        add_model(tmp_path / "tiny.gguf", licence="MIT")
    assert error.value.where == str(tmp_path / "tiny.gguf")
    assert str(folder) not in str(error.value)


def test_a_folder_that_was_copied_or_renamed_is_a_model_of_its_own(folder: Path, tmp_path: Path) -> None:
    add_model(gguf(tmp_path / "tiny.gguf"))
    shutil.copytree(folder / "tiny", folder / "copy")
    (folder / "tiny").rename(folder / "new")
    assert {record.name for record in own_models()} == {"copy", "new"}
    (tmp_path / "outside").mkdir()
    text = (folder / "copy" / RECORD).read_text()
    (folder / "copy" / RECORD).write_text(text.replace('"tiny"', '"../outside"'))
    with pytest.raises(UnknownNameError):
        remove_model("../outside")
    remove_model("copy")
    path = choose("phrasing").path
    assert path == folder / "new" / "tiny.gguf"


def test_adding_again_does_not_hide_a_damaged_copy(folder: Path, tmp_path: Path) -> None:
    source = gguf(tmp_path / "tiny.gguf")
    add_model(source)
    os.truncate(folder / "tiny" / "tiny.gguf", 9)
    with pytest.raises(InvalidNameError):
        add_model(source)


def test_a_copy_that_another_process_finishes_meanwhile_does_not_matter(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "glob", lambda *_: iter([folder / ".adding.gone"]))
    assert add_model(gguf(tmp_path / "tiny.gguf")).name == "tiny"


def test_external_weights_come_along(folder: Path, tmp_path: Path) -> None:
    record = add_model(sentence_encoder(tmp_path / "big", external=True))
    assert {file.path for file in record.files} == {"model.onnx", "tokenizer.json", "weights.bin"}
    assert (folder / "big" / "weights.bin").is_file()


def test_the_newest_is_used_and_a_name_picks_another(folder: Path, tmp_path: Path) -> None:
    first = add_model(sentence_encoder(tmp_path / "first"))
    second = add_model(model2vec(tmp_path / "second"))
    assert choose("text").record == second
    assert choose("text", Path("first")) == (folder / "first", first)
    assert choose("text", tmp_path / "first") == (tmp_path / "first", None), "a path wins"
    assert choose("text", Path("absent")) == (Path("absent"), None)
    assert choose("text", name="first").record == first
    assert choose("picture") == (None, None)
    again = add_model(tmp_path / "first")
    assert (choose("text").record, again.sha256) == (again, first.sha256)
    sentence_encoder(tmp_path / "other", external=True)
    with pytest.raises(InvalidNameError):
        add_model(tmp_path / "other", name="first")
    with pytest.raises(InvalidNameError):
        add_model(tmp_path / "first", name="../first")


def test_files_that_change_behind_the_record_are_noticed(folder: Path, tmp_path: Path, cli: Cli) -> None:
    cli("models", "add", model2vec(tmp_path / "small"))
    weights = folder / "small" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "model.safetensors changed" in cli("models", "show", "small", code=1)
    weights.unlink()
    with pytest.raises(MissingFileError):
        choose("text")
    assert "removed small" in cli("models", "remove", "small")
    assert "no models" in cli("models", "list")
    assert "Known: none" in cli("models", "remove", "small", code=2)
    (folder / "odd").mkdir()
    (folder / "odd" / RECORD).write_text('{"version": 9}')
    assert "newer" in cli("models", "list", code=2)


@pytest.mark.slow
def test_processes_that_add_at_once_leave_one_model(folder: Path, tmp_path: Path) -> None:
    source = model2vec(tmp_path / "small")
    code = "from edgewright.language.own_models.registration import add_model; import sys, pathlib\n"
    code += "for _ in range(5): add_model(pathlib.Path(sys.argv[1]))"
    both = [subprocess.Popen([sys.executable, "-c", code, str(source)], stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert not any(process.returncode for process in both), errors
    assert [record.name for record in own_models()] == ["small"]
    assert [path.name for path in folder.iterdir()] == ["small"]


def test_a_folder_that_cannot_be_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="EDGEWRIGHT_MODELS"):
        add_model(model2vec(tmp_path / "small"))


def test_a_full_disk_leaves_no_half_model(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:10])
        raise OSError(28, "No space left on device")

    source = model2vec(tmp_path / "small")
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        add_model(source)
    assert not list(folder.iterdir())


def test_texts_are_labelled_and_documents_answered_without_a_flag(folder: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "labels.toml").write_text(LABELS)
    ask = ("language", "zero-shot", "it is raining outside", "--labels", tmp_path / "labels.toml")
    assert "models add" in cli(*ask, code=2)
    sha256 = cli.json("models", "add", model2vec(tmp_path / "small"))["sha256"]
    assert "rain" in cli(*ask)
    assert "uses the model small of your models" in cli.err
    row = cli.rows(*ask)[0]
    assert (row["nearest"], row["models"][0]["sha256"]) == ("rain", sha256)
    assert not cli.err
    (tmp_path / "manual.md").write_text("# Power\nThe battery is empty.\n\n# Shop\nMuch money to pay.\n")
    index = tmp_path / "manual.index"
    assert cli.json("language", "index", tmp_path / "manual.md", "--out", index)["encoder_sha256"] == sha256
    assert cli.json("language", "ask", "charge of the cell", "--index", index)["hybrid"]
    front = ChatFront("manual", index, None, None, None)
    front.close()
    assert front.encoder == "small"
    # An index keeps its encoder, whatever is newer.
    cli("models", "add", sentence_encoder(tmp_path / "newer"))
    assert cli.json("language", "ask", "charge of the cell", "--index", index)["models"][0]["name"] == "small"
    cli("models", "remove", "small")
    assert 'hybrid": false' in cli("language", "ask", "battery", "--index", index, "--json").replace("  ", " ")
    cli("models", "add", word_pair(tmp_path / "x"), "--name", "small", "--licence", "MIT")
    assert "the index's encoder" in cli("language", "ask", "battery", "--index", index, code=2)


@pytest.mark.slow
def test_intents_of_a_gateway_and_label_suggestions_use_it(folder: Path, tmp_path: Path, cli: Cli) -> None:
    record = add_model(model2vec(tmp_path / "small"))
    rows = [f"{text},{intent}" for intent, words in (("power", WORDS[8:13]), ("weather", WORDS[13:18]))
            for first in words for text in (f"the {first} please", f"is there a {first}")]  # fmt: skip
    (tmp_path / "says.csv").write_text("\n".join(["text,intent", *rows]))
    model = tmp_path / "says.language"
    train = ("language", "train", tmp_path / "says.csv", "--out", model, "--force")
    assert cli.json(*train, "--for", "gateway")["models"][0]["sha256"] == record.sha256
    parsed = cli.rows("language", "parse", "the battery please", "--model", model)[0]
    assert (parsed["intent"], parsed["models"][0]["name"]) == ("power", "small")
    (tmp_path / "says.txt").write_text("\n".join(row.partition(",")[0] for row in rows))
    suggested = cli.json("label", "suggest", tmp_path / "says.txt", "--out", tmp_path / "says.labelling",
                         "--class", "power=battery charge", "--class", "weather=wet rain outside")  # fmt: skip
    assert (suggested["suggester"], suggested["models"][0]["name"]) == ("descriptions", "small")


def test_pictures_and_sounds_are_searched_without_a_flag(folder: Path, tmp_path: Path, cli: Cli) -> None:
    cli("models", "add", word_pair(tmp_path / "clip"), "--licence", "MIT")
    cli("models", "add", sound_encoder(tmp_path / "ears"), "--licence", "MIT")
    index = tmp_path / "shelf.index"
    cli("language", "index", "--pictures", pictures(tmp_path), "--out", index)
    assert "red thing" in cli("language", "ask", "red", "--index", index, "--top", "1")
    rows = cli.json("language", "ask", "--like", tmp_path / "shelf" / "blue" / "a blue thing.png", "--index", index)
    assert (rows[0]["file"], rows[0]["models"][0]["name"]) == ("blue/a blue thing.png", "clip")
    (tmp_path / "labels.toml").write_text('[labels]\nred = "red photo"\nblue = "blue photo"\n')
    Image.new("RGB", (20, 20), (250, 5, 5)).save(tmp_path / "a.png")
    labelled = cli("language", "zero-shot", tmp_path / "a.png", "--labels", tmp_path / "labels.toml", "--json")
    assert msgspec.json.decode(labelled.splitlines()[0])["nearest"] == "red"
    cli("language", "index", "--sounds", sounds(tmp_path), "--out", tmp_path / "sounds.index")
    late = cli("language", "ask", "--like", tmp_path / "sounds" / "late.wav", "--index", tmp_path / "sounds.index")
    assert "late" in late.splitlines()[0]
    assert "model ears" in cli.err


def test_a_backbone_is_named_in_a_pipeline(folder: Path, tmp_path: Path) -> None:
    from edgewright.pipeline.config import parse

    record = add_model(backbone(tmp_path / "net.onnx"), licence="MIT")
    text = '[data]\nkind = "pictures"\npath = "."\n[model]\nkind = "network"\nbackbone = "net"\npixels = [0, 1]\n'
    layer = parse(f'name = "p"\n{text}', "p.toml").model.layers[0]
    assert layer["file"] == str(folder / "net" / "net.onnx")
    assert layer["sha256"] == record.files[0].sha256


def test_a_file_with_the_name_of_the_record_is_refused(folder: Path, tmp_path: Path) -> None:
    source = gguf(tmp_path / RECORD, licence="MIT")
    with pytest.raises(OwnModelError):
        add_model(source, name="tiny")
    assert source.is_file() and not own_models() and not list(folder.glob("*"))
