"""`edgewright score` of detectors, forecasters, language models and indexes of documents."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from documents_example import manual_index
from edgewright.cli.main import run
from edgewright.core.errors import UtterancesError
from edgewright.language.intents.train import How
from edgewright.language.training import train
from edgewright.language.utterances import Labelled, read, read_judged
from edgewright.nlp.records import OUT_OF_SCOPE, Utterance
from edgewright.nlp.utterance.parse import Understanding, write_language
from score_example import refused


def test_a_detector_has_figures_of_events_and_rows(tmp_path: Path, cli: Cli) -> None:
    values = np.random.default_rng(0).normal(size=600)
    values[[400, 401, 500]] += 30
    odd = np.zeros(600, int)
    odd[[400, 401, 500, 550]] = 1
    lines = ["v,odd", *(f"{v:.4f},{o}" for v, o in zip(values, odd, strict=True))]
    (tmp_path / "calm.csv").write_text("\n".join(["v", *(line.split(",")[0] for line in lines[1:300])]) + "\n")
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    detector, data = str(tmp_path / "d.detector"), str(tmp_path / "test.csv")
    cli("detect", "fit", tmp_path / "calm.csv", "--out", detector, "--detector", "robust")
    record = cli.json("score", detector, "--data", data, "--target", "odd", "--need", "recall>=.1")
    figures, details = record["figures"], record["details"]
    assert figures["recall"]["value"] == details["found"] / details["events"]
    assert figures["precision"]["value"] == 1 - details["false"] / details["alarms"]
    for name in ("recall", "precision", "f1", "false_alarms"):
        assert figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"]
    assert figures["row_false"]["value"] == details["row_false"]
    cli.json("score", detector, "--data", data, "--target", "odd", "--need", "recall>=1.1", code=1)
    for words in (("--map", "foo=bar"), ("--group", "v"), ("--encoder", "x"), ("--set", "a=b"), ("--last",)):
        text = refused(cli, detector, "--data", data, "--target", "odd", *words)
        assert "options of a detector (--data, --kind, --target, --normal)" in text
        assert f"got {words[0]}" in text
    assert "rows with labels" in refused(cli, detector)
    assert "odd" in refused(cli, detector, "--data", data, "--target", "broken")


def test_a_forecaster_has_figures_of_its_forecasts(tmp_path: Path, cli: Cli) -> None:
    t = np.arange(700)
    load = 50 + 10 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(0).normal(size=700)
    (tmp_path / "known.csv").write_text("\n".join(["load", *(f"{v:.3f}" for v in load[:500])]) + "\n")
    (tmp_path / "next.csv").write_text("\n".join(["load", *(f"{v:.3f}" for v in load[500:])]) + "\n")
    (tmp_path / "other.csv").write_text("\n".join(["Load [kW]", *(f"{v:.3f}" for v in load[500:])]) + "\n")
    forecaster = str(tmp_path / "load.forecaster")
    fit = ["forecast", str(tmp_path / "known.csv"), "--column", "load", "--horizon", "12", "--season", "24"]
    cli(*fit, "--out", forecaster)
    record = cli.json("score", forecaster, "--data", str(tmp_path / "next.csv"), "--need", "mase<2,smape<50")
    mase = record["figures"]["mase"]
    assert 0 < mase["low"] < mase["value"] < mase["high"]
    assert mase["value"] == record["details"]["mase"]
    assert record["samples"] == 200 - 12 + 1
    assert cli.json("score", forecaster, "--data", str(tmp_path / "other.csv"))["figures"] == record["figures"]
    assert "a CSV file with the rows that came" in refused(cli, forecaster, "--data", "occupancy")


PHRASES = {
    "drink": ("a soda please", "give me cola", "some green tea", "water for me", "pour lemonade now", "coffee please"),
    "stop": ("stop it", "cancel that please", "never mind", "forget it now", "no thanks", "please stop now"),
}


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a model of two intents."""
    inside = tuple(Utterance(text=text, intent=name) for name, texts in PHRASES.items() for text in texts)
    outside = tuple(Utterance(text=text, intent=OUT_OF_SCOPE) for text in ("who won", "sing a song", "what day is it"))
    trained = train(Labelled((*inside, *outside)), How(size=16_000, epochs=20), name="drinks")
    path = tmp_path_factory.mktemp("language") / "drinks.language"
    write_language(path, trained.spec, trained.arrays)
    return path


def _clinc(path: Path) -> Path:
    pairs = [[text, name.title()] for name, texts in PHRASES.items() for text in texts]
    parts = {
        "train": [["zzz", "drink"]],
        "test": pairs,
        "oos_test": [["who won", "oos"], ["!!", "oos"]],
        "val": pairs[:2],
    }
    path.write_bytes(msgspec.json.encode(parts))
    return path


@pytest.mark.slow
def test_what_a_user_gets_counts_refusals(
    language: Path, tmp_path: Path, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _clinc(tmp_path / "data_full.json")
    record = cli.json("score", str(language), "--data", str(path))
    understanding = Understanding.load(language)
    answers = [understanding.parse(text).intent == name for name, texts in PHRASES.items() for text in texts]
    figures = record["figures"]
    assert record["part"] == "test"
    assert record["samples"] == 14
    assert figures["accuracy"]["value"] == pytest.approx(np.mean(answers))
    assert figures["accuracy"]["value"] <= figures["argmax"]["value"]
    assert figures["refused_out_of_scope"]["value"] in (0.5, 1.0)
    assert any("too high" in note for note in record["notes"])
    assert cli.json("score", str(language), "--data", str(path), "--part", "val")["samples"] == 2
    assert "one of the parts" in refused(cli, str(language), "--data", str(path), "--part", "dev")
    assert run(["score", str(language), "--data", str(path), "--need", "accuracy>1"]) == 1
    assert "missed" in capsys.readouterr().out


def test_intents_that_the_model_does_not_know(language: Path, tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "more.csv"
    path.write_text("text,intent\na soda please,drink\nbring a chair,furniture\n")
    assert "'furniture'" in refused(cli, str(language), "--data", str(path))
    record = cli.json("score", str(language), "--data", str(path), "--map", "furniture=out of scope")
    assert record["figures"]["refused_out_of_scope"]["value"] in (0.0, 1.0)
    assert "utterances with parts" in refused(cli, str(language), "--data", str(path), "--part", "test")
    assert "no column or label of the data 'chairs'" in refused(
        cli, str(language), "--data", str(path), "--map", "chairs=drink"
    )
    assert "options of a language model" in refused(cli, str(language), "--data", str(path), "--normal", "0")


def test_snips_is_judged_by_the_part_that_validates(tmp_path: Path) -> None:
    folder = tmp_path / "2017-06-custom-intent-engines" / "RateBook"
    folder.mkdir(parents=True)
    for name, text in (("train_RateBook", "a"), ("train_RateBook_full", "b"), ("validate_RateBook", "c")):
        sentence = {"data": [{"text": "rate "}, {"text": text, "entity": "object_name"}]}
        (folder / f"{name}.json").write_bytes(msgspec.json.encode({"RateBook": [sentence]}))
    utterances, part = read_judged(tmp_path)
    assert (part, [one.text for one in utterances], utterances[0].slots[0].name) == (
        "validate",
        ["rate c"],
        "object_name",
    )
    assert read_judged(tmp_path, "full")[0][0].text == "rate b"
    assert [one.text for one in read(tmp_path).utterances] == ["rate b"], "the test never trains"
    with pytest.raises(UtterancesError):
        read_judged(tmp_path, "test")


def test_an_index_is_asked_what_it_holds_and_what_not(tmp_path: Path, cli: Cli) -> None:
    index = str(manual_index(tmp_path))
    path = tmp_path / "questions.csv"
    path.write_text(
        "question,answer,group\nHow long does the warranty last?,24 months,w\n"
        "Which batteries does it take?,two AAA cells,p\n"
        "Who is the president of France?,,x\n"
    )
    record = cli.json("score", index, "--data", str(path), "--need", "recall@1>=.5")
    assert record["figures"]["recall@10"]["value"] == 1.0
    assert record["figures"]["refused_unanswerable"]["value"] == 1.0
    assert record["figures"]["answered"]["value"] <= record["figures"]["recall@1"]["value"]
    squad = tmp_path / "squad.json"
    requests = [{"question": "How long is the warranty?", "answers": [{"text": "24 months"}]},
             {"question": "Who won the cup in 1954?", "answers": [], "is_impossible": True}]  # fmt: skip
    squad.write_bytes(msgspec.json.encode({"data": [{"title": "t", "paragraphs": [{"qas": requests}]}]}))
    assert cli.json("score", index, "--data", str(squad))["samples"] == 2
    assert "the columns question and answer" in refused(cli, index, "--data", str(tmp_path / "drill.md"))
