"""Synthetic data of every kind are judged on real groups left out, and written where they help or by force."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cli_runner import Cli
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.data.splits import split
from edgewright.data.synthetic import is_synthetic
from edgewright.language.synthesis.judgement import Chunk, Measured, Utility, judge, verdict
from edgewright.language.synthesis.learners import (
    PICTURES,
    answer_sentences,
    measured_sentences,
    picture_copies,
    picture_features,
    sentence_chunk,
    sentence_copies,
)
from edgewright.language.utterances.read import read
from edgewright.schema.config import SplitConfig
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError, OutputError, UnknownNameError
from edgewright.schema.language import Utterance
from picture_folder import write_pictures
from support import left_out

LABELS = np.array(["left", "right"])


def measured(people: int = 12, each: int = 20) -> Measured:
    """Numbers around -1 and 1 that overlap, of so many people."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], people * each // 2)
    x = (2.0 * y - 1.0 + 1.5 * rng.standard_normal(len(y)))[:, None]
    return Measured(x, LABELS[y], np.repeat([f"p{n:02d}" for n in range(people)], each))


def nearest(x: NDArray[np.float64], y: Labels, tested: NDArray[np.float64], seed: int) -> Labels:
    """Answer with the label whose mean is nearest."""
    means = np.array([x[y == label].mean() for label in LABELS])
    return np.asarray(LABELS[np.abs(tested - means).argmin(axis=1)])


def chunk(sign: float, count: int = 400) -> Chunk:
    """Return numbers on the right sides of zero, or on the wrong ones."""
    y = np.tile([0, 1], count // 2)
    return sign * (2.0 * y - 1.0)[:, None], LABELS[y]


def utility_of(
    sign: float, real: Measured | None = None, amounts: tuple[int, ...] = (1,), people: int = 0, folds: int = 5
) -> Utility:
    return judge(
        measured() if real is None else real, "numbers", {}, lambda _, amount: [chunk(sign)] * amount, nearest,
        amounts=amounts, people=people, folds=folds,
    )  # fmt: skip


def test_what_turns_labels_does_harm_and_is_said_so() -> None:
    utility = utility_of(-1.0)
    assert utility.gain.high < 0
    assert not utility.helps
    assert utility.with_synthetic.value - utility.without.value == pytest.approx(utility.gain.value)
    assert "it did harm: -" in "\n".join(verdict(utility))


def test_what_says_nothing_new_did_not_help() -> None:
    real = measured()
    utility = judge(real, "copy", {}, lambda rows, _: [(real.content[rows], real.y[rows])], nearest)
    assert utility.gain.value == 0.0
    assert not utility.helps
    lines = "\n".join(verdict(utility))
    assert "it did not help: +0.0 points (+0.0 to +0.0): the interval holds 0" in lines
    assert "few" not in lines


def test_what_is_right_helps_where_one_person_trains() -> None:
    """Four overlapping numbers of one person mislead; numbers around the true means do not."""
    utility = utility_of(1.0, measured(people=40, each=4), people=1, folds=40)
    assert utility.helps
    assert utility.gain.value > 0.02
    assert "it helped: +" in "\n".join(verdict(utility))


def test_few_groups_are_said_to_be_few() -> None:
    lines = "\n".join(verdict(utility_of(1.0, measured(people=4))))
    assert "4 people are few: a gain below" in lines
    with pytest.raises(InputError, match="at least three groups"):
        utility_of(1.0, measured(people=2))


def test_what_all_groups_gain_alike_may_be_chance_too() -> None:
    real = measured(people=3, each=6)

    def learner(x: NDArray[np.float64], y: Labels, tested: NDArray[np.float64], seed: int) -> Labels:
        """Be right about five of the six samples of each, and about all of them with synthetic data."""
        answers = np.tile(LABELS, 3)
        if len(x) == 12:
            answers[0] = "other"
        return answers[: len(tested)]

    utility = judge(real, "numbers", {}, lambda _, amount: [chunk(1.0)] * amount, learner)
    assert utility.gain.value == pytest.approx(1 / 6)
    assert not utility.helps
    assert utility.without.high - utility.without.low > 0.1
    assert 0.4 < utility.with_synthetic.low < utility.with_synthetic.high == 1.0


def test_groups_that_train_are_as_many_as_there_are() -> None:
    assert utility_of(1.0, people=50).trained_on == 0
    assert utility_of(1.0, people=3).trained_on == 3


def test_a_grammar_of_the_real_sentences_teaches_nothing_that_is_tested() -> None:
    real = measured_sentences(sentences_of(("hall", "bath"), "ann") + sentences_of(("attic",), "bert"))
    generated = sentence_chunk(sentences_of(("Hall", "attic", "cellar"), ""), {"on", "off"})
    [(content, labels)] = sentence_copies(real, generated)(np.flatnonzero(real.groups == "ann"), 1)
    assert {text.split()[2] for text in content} == {"Hall", "cellar"}
    assert len(labels) == 8


def test_no_group_that_is_tested_trains() -> None:
    real = measured()
    seen: list[set[str]] = []

    def learner(x: NDArray[np.float64], y: Labels, tested: NDArray[np.float64], seed: int) -> Labels:
        assert not set(x[:, 0].tolist()) & set(tested[:, 0].tolist())
        return nearest(x, y, tested, seed)

    def make(rows: NDArray[np.int64], amount: int) -> list[Chunk]:
        seen.append(set(real.groups[rows].tolist()))
        return [(real.content[rows], real.y[rows])] * amount

    judge(real, "copy", {}, make, learner, people=3)
    assert [len(groups) for groups in seen] == [3] * 5
    kept = real.without(["p00"])
    assert "p00" not in kept.groups
    with pytest.raises(InputError, match="--hold-out"):
        real.without(["nobody"])


def test_each_further_amount_widens_the_interval() -> None:
    alone, two = utility_of(-1.0), utility_of(-1.0, amounts=(1, 2))
    assert two.amounts == (1, 2)
    assert two.without.high - two.without.low > alone.without.high - alone.without.low
    assert "amounts 1, 2 were compared" in "\n".join(verdict(two))
    with pytest.raises(InputError, match="at most 3 amounts"):
        utility_of(1.0, amounts=(1, 2, 3, 4))


def test_signals_that_do_not_help_are_not_written(tmp_path: Path, cli: Cli) -> None:
    rng, lines = np.random.default_rng(0), ["t,a,b,person,label"]
    for person in range(4):
        for row in range(160):
            values = rng.standard_normal(2)
            lines.append(f"{row / 10},{values[0]:.4f},{values[1]:.4f},p{person},{'on' if row // 40 % 2 else 'off'}")
    data, out = tmp_path / "a.csv", tmp_path / "more.csv"
    data.write_text("\n".join(lines) + "\n")
    call = ["synth", "signals", data, "--target", "label", "--group", "person", "--time", "t", "--method", "jitter"]
    cli(*call, "--out", out, code=1)
    assert "it did" in cli.out
    assert "nothing was written" in cli.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]
    cli(*call, "--force", "--hold-out", "p3", "--out", out)
    unknown = cli(*call, "--force", "--hold-out", "p9", "--out", tmp_path / "b.csv", code=2)
    assert "groups of the data, such as p0, p1, p2, p3, got p9" in unknown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "more.csv", "more.csv.judgement.json"]
    record = json.loads((tmp_path / "more.csv.judgement.json").read_text())
    assert record["forced"] is True
    assert record["measurement"]["groups"] == 3
    with out.open(newline="") as file:
        assert {row["person"] for row in csv.DictReader(file)} == {"p0", "p1", "p2"}


def sentences_of(words: tuple[str, ...], author: str) -> list[Utterance]:
    return [
        Utterance(text=f"{verb} the {word} {end}", intent=intent, author=author)
        for word in words for intent, verb in (("on", "light"), ("off", "darken")) for end in ("now", "please")
    ]  # fmt: skip


def test_sentences_are_judged_by_authors_or_one_by_one() -> None:
    known = measured_sentences(sentences_of(("hall", "bath"), "ann") + sentences_of(("attic",), "bert"))
    assert known.by == "author"
    assert set(known.groups.tolist()) == {"ann", "bert"}
    alone = measured_sentences(sentences_of(("hall",), ""))
    assert alone.by == "sentence"
    assert len(set(alone.groups.tolist())) == 4
    with pytest.raises(InputError, match="column author"):
        measured_sentences(sentences_of(("hall",), "") + sentences_of(("attic",), "bert"))
    generated = [Utterance(text="light it", intent="on", synthetic=True)]
    assert len(measured_sentences([*sentences_of(("hall",), ""), *generated]).y) == 4, (
        "what a grammar made judges nothing"
    )


def test_the_column_author_is_read(tmp_path: Path) -> None:
    file = tmp_path / "said.csv"
    file.write_text("text,intent,author\nlight it,on, ann \ndarken it,off,bert\n")
    assert [entry.author for entry in read(file).utterances] == ["ann", "bert"]


@pytest.mark.slow
def test_a_grammar_of_what_people_say_helps(tmp_path: Path, cli: Cli) -> None:
    """Each real sentence has a verb of its own; the grammar knows them all."""
    verbs = {"on": "start begin launch open raise boot fire wake light kindle",
             "off": "stop end halt close lower quit kill sleep darken quench"}  # fmt: skip
    sentences, grammar, out = tmp_path / "said.csv", tmp_path / "g.toml", tmp_path / "more.csv"
    rows = [f"{verb} the machine,{intent}" for intent, text in verbs.items() for verb in text.split()]
    sentences.write_text("text,intent\n" + "\n".join(rows) + "\n")
    forms = "\n".join(
        f'[intents.{intent}]\ntemplates = ["({text.replace(" ", "|")}) (it|this|that)"]'
        for intent, text in verbs.items()
    )
    grammar.write_text(forms)
    text = cli("synth", "utterances", grammar, "--real", sentences, "--count", "30", "--out", out)
    assert "it helped: +" in text
    assert "20 real samples of 20 sentences" in text
    assert json.loads((tmp_path / "more.csv.judgement.json").read_text())["helps"] is True
    turned = forms.replace("intents.on", "intents.x").replace("intents.off", "intents.on")
    grammar.write_text(turned.replace("intents.x", "intents.off"))
    other = tmp_path / "other.csv"
    cli("synth", "utterances", grammar, "--real", sentences, "--count", "30", "--out", other, code=1)
    assert "it did harm" in cli.out
    assert not other.exists()
    grammar.write_text('[intents.sing]\ntemplates = ["sing"]\n')
    assert "a grammar of the intents" in cli(
        "synth", "utterances", grammar, "--real", sentences, "--out", other, code=2
    )


def test_data_that_cannot_be_written_change_no_judgement(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "a.csv", tmp_path / "more.csv"
    rows = [f"{n / 10},{n % 7},p{n // 100},{'ab'[n // 25 % 2]}" for n in range(400)]
    data.write_text("t,a,person,label\n" + "\n".join(rows) + "\n")
    call = ["synth", "signals", data, "--target", "label", "--group", "person", "--time", "t", "--force", "--out", out]
    cli(*call, "--method", "jitter")
    judgement = tmp_path / "more.csv.judgement.json"
    before = out.read_bytes(), judgement.read_bytes()

    def full(*_: object) -> None:
        raise OutputError("to write a table", "No space left on device", str(out))

    with monkeypatch.context() as disk:
        disk.setattr("edgewright.data.table_file.write_table_file", full)
        cli(*call, "--method", "scaling", code=74)
    assert (out.read_bytes(), judgement.read_bytes()) == before
    monkeypatch.setattr("edgewright.language.synthesis.judgement.write_atomic", full)
    cli(*call, "--method", "scaling", code=74)
    assert out.read_bytes() != before[0]
    assert not judgement.exists()


def test_a_test_part_is_held_out_where_something_judges_alone(tmp_path: Path, cli: Cli) -> None:
    grammar = tmp_path / "g.toml"
    grammar.write_text('[intents.sing]\ntemplates = ["sing"]\n')
    for call in (["utterances", grammar, "--out", tmp_path / "a.csv"], ["speech", "go", "--out", tmp_path / "a"]):
        assert "--hold-out with --real" in cli("synth", *call, "--hold-out", "ann", code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["g.toml"]


def test_a_learner_of_sentences_answers_new_ones() -> None:
    real = measured_sentences(sentences_of(("hall", "bath", "attic"), ""))
    content, labels = sentence_chunk(sentences_of(("cellar",), ""), {"on"})
    assert set(labels.tolist()) == {"on"}
    answers = answer_sentences(real.content, real.y, np.array(["light the cellar", "darken the cellar"], object), 0)
    assert answers.tolist() == ["on", "off"]
    assert content.tolist() == ["light the cellar now", "light the cellar please"]


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_copies_of_pictures_keep_shape_and_labels(name: str) -> None:
    x = np.random.default_rng(0).uniform(0, 255, (6, 3, 16, 16)).astype(np.float32)
    real = Measured(x, np.array(["a", "b"] * 3), np.array(["g"] * 6), "group")
    [(first, y), (second, _)] = picture_copies(real, name, {}, 0)(np.arange(4), 2)
    assert first.shape == (4, 3, 16, 16)
    assert y.tolist() == ["a", "b", "a", "b"]
    assert not np.array_equal(first, second)
    with pytest.raises(UnknownNameError, match="colour, crop, flip"):
        picture_copies(real, "rotation", {}, 0)


def test_figures_of_pictures_see_colours_and_directions() -> None:
    stripes = np.zeros((2, 3, 32, 32), np.float32)
    stripes[0, :, ::2], stripes[1, :, :, ::2] = 255, 255
    across, down = picture_features(stripes)
    assert across.shape == (16 * (3 + 3 + 8),)
    assert np.isfinite(across).all()
    assert not np.allclose(across, down)
    assert picture_features(stripes[:, :1]).shape == (2, 16 * (1 + 1 + 8))


@pytest.mark.slow
def test_pictures_are_judged_and_marked(tmp_path: Path, cli: Cli) -> None:
    photos, out = write_pictures(tmp_path / "photos", each=8), tmp_path / "more"
    call = ["synth", "pictures", photos, "--method", "flip", "--side", "24", "--out", out]
    text = cli(*call, "--force", "--hold-out", "disc/000.png")
    assert "15 real samples of 15 pictures" in text
    assert (tmp_path / "more.judgement.json").is_file()
    (out / "synthetic").rename(photos / "synthetic")
    samples = cut(load_data({"kind": "pictures", "path": str(photos), "height": 24, "width": 24}, seed=0), None)
    copies = is_synthetic(samples.sessions)
    assert (copies.sum(), (~copies).sum()) == (15, 16)
    sides = split(samples, SplitConfig(by="session"), seed=0, window=0)
    assert not copies[sides.test].any()
    assert copies[sides.train].any()
    assert "a new folder" in cli(*call, code=2)


def test_every_picture_is_copied_and_none_over_another(tmp_path: Path, cli: Cli) -> None:
    photos, out = tmp_path / "photos", tmp_path / "more"
    rng = np.random.default_rng(0)
    for number in range(12):
        file = photos / "ab"[number % 2] / f"{number // 4}.{('png', 'bmp')[number // 2 % 2]}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)).save(file)
    text = cli("synth", "pictures", photos, "--method", "flip", "--side", "8", "--every", "2", "--force", "--out", out)
    assert "Judged on 6 real samples" in text
    assert "wrote 12 synthetic pictures" in text
    assert len(list(out.rglob("*.png"))) == 12


@pytest.mark.slow
def test_words_of_voices_are_judged_on_speakers(tmp_path: Path, cli: Cli) -> None:
    if shutil.which("espeak-ng") is None:
        left_out("espeak-ng is not installed")
    recordings, out = tmp_path / "speech", tmp_path / "more"
    cli("sample", "speech", "--out", recordings)
    call = ["synth", "speech", "stop", "go", "--real", recordings, "--pattern", "{label}_{speaker}_{index}",
            "--voice", "en-us", "--every", "4", "--folds", "2", "--out", out]  # fmt: skip
    record = cli.json(*call, "--copies", "1", "--copies", "2", "--hold-out", "speaker01", "--force")
    measurement = record["judgement"]["measurement"]
    assert (measurement["by"], measurement["groups"], measurement["amounts"]) == ("speaker", 19, [1, 2])
    assert record["rate"] == 8000
    assert record["files"] == 2 * measurement["amount"] == len(list(out.glob("*.wav")))
    with (out / "labels.csv").open(newline="") as file:
        assert {row["file"] for row in csv.DictReader(file)} == {path.name for path in out.glob("*.wav")}
    assert "words that --real has as labels" in cli(*call[:2], "left", *call[3:-1], tmp_path / "b", code=2)
    assert "the rate of the recordings" in cli(*call[:-1], tmp_path / "b", "--rate", "16000", code=2)
    assert "or --real to choose by" in cli(
        "synth", "speech", "go", "--copies", "1", "--copies", "2", "--out", tmp_path / "b", code=2
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["more", "more.judgement.json", "speech"]


def test_amounts_judge_nothing(tmp_path: Path, cli: Cli) -> None:
    data = tmp_path / "a.csv"
    rows = [f"{n / 10},{n % 7},p{n // 100},{n % 13 / 10}" for n in range(400)]
    data.write_text("t,a,person,load\n" + "\n".join(rows) + "\n")
    call = ["synth", "signals", data, "--target", "load", "--group", "person", "--time", "t", "--method", "jitter"]
    assert "expected labels" in cli(*call, "--out", tmp_path / "b.csv", code=2)
