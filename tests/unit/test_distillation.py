"""One command from labels by a brought model to students: nothing before the audit, then students, C and proof."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.core.input.riff import wav_bytes
from edgewright.core.package import read_package
from edgewright.data.audited_labels import record_path, records_of
from edgewright.language.distillation import media, texts
from edgewright.language.labelling.audit import unanswered
from edgewright.language.labelling.project import Project
from edgewright.nlp.documents.media import Kind
from edgewright.schema.errors import CheckFailedError
from label_example import answer, write_texts
from media_encoders import COLOURS, word_pair
from own_model_files import sentence_encoder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave two sizes."""
    monkeypatch.setattr(texts.TextStudents, "sizes", ("4kB", "8kB"))


def command(folder: Path) -> list[str]:
    """Return the command that is repeated."""
    if not (folder / "texts.csv").exists():
        write_texts(folder / "texts.csv")
        sentence_encoder(folder / "encoder")
    return ["label", "suggest", str(folder / "texts.csv"), "--out", str(folder / "p.labelling"), "--least", "0",
            "--class", "lamp=the on", "--class", "food=please", "--label-errors", "0.3",
            "--encoder", str(folder / "encoder"), "--then", "train"]  # fmt: skip


def audited(folder: Path, cli: Cli) -> list[str]:
    """Return the command behind an audit that is answered."""
    requested = command(folder)
    cli(*requested, code=1)
    with Project(folder / "p.labelling") as project:
        answer(project, unanswered(project), how="blind")
    return requested


def test_nothing_is_trained_before_the_audit_is_answered(tmp_path: Path, cli: Cli, small: None) -> None:
    requested = command(tmp_path)
    first = cli(*requested, code=1)
    assert "label review" in first and "nothing is trained before it" in first
    again = cli(*requested, code=1)
    assert "0 of" in again and not (tmp_path / "p.labelling.students").exists()


def test_the_same_command_trains_and_proves_behind_the_audit(tmp_path: Path, cli: Cli, small: None) -> None:
    requested = audited(tmp_path, cli)
    record = json.loads(cli(*requested, "--json"))
    assert record["judged_by"] == "the audited sample" and record["judges"] == record["audit"]["answered"]
    assert [row["name"] for row in record["students"]] == ["4kB", "8kB"]
    assert record["brought"]["accuracy"]["value"] == 1 - record["audit"]["errors"] / record["audit"]["answered"]
    assert any("C" in form for form in record["forms"])
    assert Path(record["model"]).is_file() and list(Path(record["code"]).glob("*.c"))
    state = tmp_path / "p.labelling.students" / "students.json"
    before = state.stat().st_mtime_ns
    assert json.loads(cli(*requested, "--json")) == record, "a second call goes on and has nothing left to do"
    assert state.stat().st_mtime_ns == before


def coloured(folder: Path, each: int, seed: int) -> Path:
    """Write noisy pictures of two colours, without a word of which is which."""
    random = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(2 * each):
        colour = np.array(COLOURS["red" if number % 2 else "blue"]) * 0.5 + random.uniform(0, 60, (24, 24, 3))
        Image.fromarray(colour.astype(np.uint8)).save(folder / f"{number:03d}.png")
    return folder


def tones(folder: Path, each: int, seed: int) -> Path:
    """Write sounds of a second: high tones early in it, and low ones late."""
    random = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(2 * each):
        sound = 0.01 * random.standard_normal(8000)
        begin = int(random.integers(200, 2000)) + (3800 if number % 2 else 0)
        tone = (400 if number % 2 else 2500) * random.uniform(0.9, 1.1)
        sound[begin : begin + 1500] += 0.5 * np.sin(2 * np.pi * tone * np.arange(1500) / 8000)
        (folder / f"{number:03d}.wav").write_bytes(wav_bytes(sound[:, None].astype(np.float32), 8000))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "write", "each", "classes"),
    # Of 60 sounds an audit leaves 26 to train on: the student was right in 65 to 91 %, by seed and processor.
    [("picture", coloured, 30, ("blue", "red")), ("sound", tones, 90, ("early", "late"))],
)
def test_pictures_and_sounds_train_by_the_same_command(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, kind: Kind, write: Callable[..., Path],
    each: int, classes: tuple[str, str],
) -> None:  # fmt: skip
    monkeypatch.setattr(media.MediaStudents, "sizes", ("narrow",))

    def truth(name: str) -> str:
        return classes[int(Path(name).stem) % 2]

    pair, project = word_pair(tmp_path / "pair", kind), tmp_path / "p.labelling"
    requested = ["label", "suggest", str(write(tmp_path / "files", each, 0)), "--out", str(project), "--encoder",
                 str(pair), "--class", classes[0], "--class", classes[1], "--then", "train", "--label-errors", "0.2",
                 "--least", "0"]  # fmt: skip
    cli(*requested, code=1)
    with Project(project) as opened:
        for number in unanswered(opened):
            item = opened.item(number)
            assert item is not None
            opened.say(number, truth(item.content), "ann", "blind")
    record = json.loads(cli(*requested, "--json"))
    assert record["students"][0]["accuracy"]["value"] >= 0.8
    assert record["brought"]["accuracy"]["value"] >= 0.9 and record["students"][0]["bytes"] > 100
    assert record["ships"] == "narrow" and list(Path(record["code"]).glob("*.c"))
    held_out = write(tmp_path / "others", 10, 1)
    lines = ["file,label", *(f"{file.name},{truth(file.name)}" for file in sorted(held_out.iterdir()))]
    (held_out / "truth.csv").write_text("\n".join(lines) + "\n")
    anew = json.loads(cli(*requested, "--judge", str(held_out / "truth.csv"), "--json"))
    assert anew["judges"] == 20 and anew["students"][0]["accuracy"]["value"] >= 0.8
    assert anew["model"].endswith("sizes/narrow")
    labels = Path(anew["folder"]) / "labels.csv"
    assert read_package(next(Path(anew["model"]).glob("*.edge"))).manifest.provenance["labels"]
    record_path(labels).unlink()
    table = {"kind": "pictures" if kind == "picture" else "wav", "path": str(tmp_path / "files"), "labels": str(labels)}
    with pytest.raises(CheckFailedError, match="without their audit"):
        records_of(table, table["path"])
