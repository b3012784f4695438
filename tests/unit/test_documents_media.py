"""Pictures and sounds in an index: found by a text of the same space, or by another file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.core.errors import (
    DocumentIndexError,
    EncoderMismatchError,
    EngineFailedError,
    MissingFileError,
    PictureError,
)
from edgewright.language.documents.index import MediaEncoder, write_media_index
from edgewright.nlp.documents.search import DocumentIndex
from media_encoders import COLOURS, picture_encoder, pictures, sound_encoder, sounds, word_pair


def test_pictures_are_found_by_words_and_by_pictures(tmp_path: Path) -> None:
    encoder = MediaEncoder(picture_encoder(tmp_path / "tiny"))
    contents = write_media_index(tmp_path / "index", pictures(tmp_path), encoder)
    assert (contents.passages, contents.media, contents.encoder) == (3, "picture", "tiny")
    assert "broken.jpg" in contents.documents[0].notes[0]
    Image.new("RGB", (300, 200), (20, 220, 30)).save(tmp_path / "greenish.jpg")
    with DocumentIndex(tmp_path / "index") as index:
        for name in COLOURS:
            nearest = index.nearest(encoder.encode([name])[0], top=2)
            assert nearest[0].text == f"{name}/a_{name}_thing.png"
            assert nearest[0].score > nearest[1].score
        assert "green" in index.nearest(encoder.encode_file(tmp_path / "greenish.jpg"))[0].text
        # Their names are words, too, for boards without an encoder.
        assert index.ask("the blue thing").passages[0].text == "blue/a_blue_thing.png"
        with pytest.raises(EncoderMismatchError):
            index.nearest(np.zeros(5, np.float32))


def test_files_whose_names_differ_in_a_space_are_two(tmp_path: Path) -> None:
    encoder, shelf = MediaEncoder(picture_encoder(tmp_path / "tiny")), tmp_path / "shelf"
    shelf.mkdir()
    for name, colour in (("a b.png", (220, 20, 20)), ("a_b.png", (20, 20, 220)), ("caf\udce9.png", (20, 220, 20))):
        Image.new("RGB", (20, 20), colour).save(shelf / name)
    write_media_index(tmp_path / "index", shelf, encoder)
    with DocumentIndex(tmp_path / "index") as index:
        paths = [index.nearest(encoder.encode([name])[0], top=1)[0].path[-1] for name in ("red", "blue", "green")]
    assert paths == ["a b.png", "a_b.png", "caf?.png"]


def test_the_middle_is_looked_at_whatever_the_shape(tmp_path: Path) -> None:
    encoder = MediaEncoder(picture_encoder(tmp_path / "tiny"))
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = COLOURS["red"]
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert np.allclose(encoder.encode_file(tmp_path / "wide.png"), encoder.encode(["red"])[0], atol=0.02)


def test_sounds_are_found_by_a_sound(tmp_path: Path) -> None:
    encoder = MediaEncoder(sound_encoder(tmp_path / "ears"))
    folder = sounds(tmp_path)
    write_media_index(tmp_path / "index", folder, encoder)
    with DocumentIndex(tmp_path / "index") as index:
        nearest = index.nearest(encoder.encode_file(folder / "late.wav"))
        assert [one.text for one in nearest] == ["late.wav", "early.wav"]
        assert nearest[0].score == pytest.approx(1.0, abs=0.01)
    with pytest.raises(EncoderMismatchError):
        encoder.encode(["a loud noise"])


def test_what_is_no_encoder_or_no_picture_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such directory"):
        MediaEncoder(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DocumentIndexError, match="none"):
        MediaEncoder(tmp_path / "empty")
    (tmp_path / "empty" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineFailedError):
        MediaEncoder(tmp_path / "empty")
    encoder = MediaEncoder(picture_encoder(tmp_path / "tiny", text=False))
    assert not encoder.reads_text
    for content in (b"", b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a"):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(PictureError):
            encoder.encode_file(tmp_path / "a.png")
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.png").write_bytes(b"no")
    with pytest.raises(EncoderMismatchError):
        write_media_index(tmp_path / "index", tmp_path / "only", encoder)
    with pytest.raises(DocumentIndexError, match="none in it"):
        write_media_index(tmp_path / "index", tmp_path / "tiny", encoder)
    (tmp_path / "tiny" / "preprocessor_config.json").write_text('{"size": -4}')
    with pytest.raises(DocumentIndexError):
        MediaEncoder(tmp_path / "tiny")


def test_the_commands(tmp_path: Path, cli: Cli) -> None:
    shelf, encoder = str(pictures(tmp_path)), str(picture_encoder(tmp_path / "tiny"))
    index = str(tmp_path / "shelf.index")
    command = ["language", "index", "--pictures", shelf, "--encoder", encoder, "--out", index]
    text = cli(*command)
    assert "3 pictures" in text
    assert "note:" in text
    requested = ["language", "ask", "--index", index, "--encoder", encoder]
    assert cli.json(*requested, "red")[0]["file"] == "red/a red thing.png", "the name that the file has"
    assert "blue/a blue thing.png" in cli(*requested, "--like", f"{shelf}/blue/a blue thing.png", "--top", "1")
    ears = str(sound_encoder(tmp_path / "ears"))
    for wrong in (
        [*requested, "red", "--like", f"{shelf}/broken.jpg"],
        ["language", "ask", "red", "--index", index, "--encoder", ears],
        ["language", "ask", "--index", index, "--like", f"{shelf}/broken.jpg"],
        ["language", "index", "--pictures", shelf, "--out", f"{index}2"],
        ["language", "index", "--pictures", shelf, "--encoder", ears, "--out", f"{index}2"],
        ["language", "index", "--out", f"{index}2"],
    ):
        assert cli(*wrong, code=2).startswith("edgewright: error[")


def test_a_picture_and_words_together_find_a_passage_of_documents(tmp_path: Path, cli: Cli) -> None:
    pair, index = word_pair(tmp_path / "pair"), tmp_path / "manual.index"
    text = "\n\n".join(f"# {name}\n\n## Signs\n{name} photo.\n\n## Cure\n{name} noise." for name in COLOURS)
    (tmp_path / "manual.md").write_text(text)
    cli("language", "index", tmp_path / "manual.md", "--encoder", pair, "--out", index)
    pictures(tmp_path)
    ask = ("language", "ask", "--index", index, "--encoder", pair)
    for name in COLOURS:
        like = ("--like", tmp_path / "shelf" / name / f"a {name} thing.png")
        for word in ("photo", "noise"):
            nearest = cli.json(*ask, word, *like)[0]
            assert (nearest["path"][0], nearest["sentence"]) == (name, f"{name} {word}.")
        assert cli.json(*ask, *like, "--top", 1)[0]["path"][0] == name
    shown = cli(*ask, "noise", *like, "--top", 1)
    assert "»blue noise.«" in shown
    assert shown.startswith("[1] manual.md: blue > Cure")
    cli("language", "index", tmp_path / "manual.md", "--out", tmp_path / "words.index")
    assert "by words alone" in cli("language", "ask", "--index", tmp_path / "words.index", *like, code=2)


def test_what_is_known_already_is_left_out_with_its_like(tmp_path: Path, cli: Cli) -> None:
    pair, index, folder = word_pair(tmp_path / "pair", "sound"), tmp_path / "sounds.index", sounds(tmp_path)
    early, samples = folder / "early.wav", (folder / "early.wav").read_bytes()
    quieter = np.frombuffer(samples[44:], np.int16).copy()
    quieter[12_000:] = quieter[:4000] // 4
    (folder / "mostly_early.wav").write_bytes(samples[:44] + quieter.tobytes())
    cli("language", "index", "--sounds", folder, "--encoder", pair, "--out", index)
    ask = ("language", "ask", "early", "--index", index, "--encoder", pair)
    names = [row["file"].removesuffix(".wav") for row in cli.json(*ask)]
    assert names == ["early", "mostly_early", "late"]
    (tmp_path / "heard").mkdir()
    early.rename(tmp_path / "heard" / "again.wav")
    for history in (tmp_path / "heard", tmp_path / "heard" / "again.wav"):
        names = [row["file"].removesuffix(".wav") for row in cli.json(*ask, "--unlike", history)]
        assert names[0] != "early"
        assert "early" not in names
    assert "no such file" in cli(*ask, "--unlike", tmp_path / "absent.wav", code=2).lower()


def test_one_description_is_answered_with_it_or_none(tmp_path: Path, cli: Cli) -> None:
    pair, shelf = word_pair(tmp_path / "pair"), pictures(tmp_path)
    (shelf / "broken.jpg").unlink()
    rows = cli.rows("language", "zero-shot", shelf, "--is", "red", "--encoder", pair)
    assert {Path(row["file"]).parent.name: row["none"] for row in rows} == {"red": False, "green": True, "blue": True}
    for wrong in (("--labels", "x.toml", "--is", "red"), (), ("--is", "...")):
        assert cli("language", "zero-shot", shelf, *wrong, "--encoder", pair, code=2).startswith("edgewright: error[")
