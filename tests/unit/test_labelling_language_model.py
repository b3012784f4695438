"""Labels by a language model: classes of the project alone, never by an item's own label, and `none` stays empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.suggesters import class_scores
from edgewright.language.labelling.suggestion_round import ENOUGH, shares_of, suggest
from edgewright.language.language_models import intents
from edgewright.language.language_models.client import RunningModel
from edgewright.nlp.records import OUT_OF_SCOPE
from label_example import TRUTH, answer, write_project
from llm_server import Server, language_model


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Provide a server that takes the place of llama.cpp, and answers every text in the same way."""
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "models"))
    with language_model() as server:

        @contextmanager
        def served(model: Path, seconds: float) -> Iterator[RunningModel]:
            yield RunningModel(server.url, 0)

        monkeypatch.setattr(intents, "served", served)
        yield server


def test_the_class_that_was_written_has_its_probability() -> None:
    shares = shares_of(np.array([class_scores(1, float(np.log(0.7)), 4)]), 1.0)[0]
    assert shares.tolist() == pytest.approx([0.1, 0.7, 0.1, 0.1])
    # Whatever a model would rather have written than a class, the class that it chose stays the first.
    improbable = shares_of(np.array([class_scores(2, -9.0, 4)]), 1.0)[0]
    assert improbable.tolist() == pytest.approx([0.25] * 4)
    assert np.isfinite(class_scores(0, 0.0, 1)).all()


def test_a_language_model_labels_with_classes_of_the_project(model: Server, tmp_path: Path, cli: Cli) -> None:
    project, gguf = write_project(tmp_path), tmp_path / "assistant.gguf"
    gguf.write_bytes(b"GGUF")
    with Project(project) as opened:
        answer(opened, [item.id for item in opened.items()][: ENOUGH + 1])
        own = {item.content for item in opened.items()[: ENOUGH + 1]}
    model.says = json.dumps({"intent": "lamp"})
    result = cli.json("label", "suggest", project, "--by", gguf)
    assert (result["suggester"], result["fitted"], result["labelled"]) == ("language-model", True, ENOUGH + 1)
    with Project(project) as opened:
        suggestions = opened.suggestions().values()
        assert {suggestion.label for suggestion in suggestions} == {"lamp"}
        assert {suggestion.source for suggestion in suggestions} == {"machine/language-model"}
    assert len(model.asked) == len(TRUTH)
    for _, order in model.asked:
        *examples, last = [message["content"] for message in order["messages"]]
        assert last not in examples
        assert "something to eat" in examples
        assert own & set(examples)
        assert order["grammar"].count("intent") == 3  # none and two classes


def test_none_leaves_items_empty_at_any_limit(model: Server, tmp_path: Path, cli: Cli) -> None:
    project, gguf = write_project(tmp_path), tmp_path / "assistant.gguf"
    gguf.write_bytes(b"GGUF")
    model.says = json.dumps({"intent": "none"})
    result = cli.json("label", "suggest", project, "--by", gguf, "--least", "0.1")
    assert (result["suggested"], result["unsure"]) == (0, len(TRUTH))


def test_none_calibrates_nothing_and_agrees_with_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, last = write_project(tmp_path), list(TRUTH)[-1]
    with Project(project) as opened:
        answer(opened, [item.id for item in opened.items()][: ENOUGH + 1])

        class Unsure:
            def parse(self, text: str, *, left_out: bool) -> SimpleNamespace:
                assert left_out
                named = text in (next(iter(TRUTH)), last)
                return SimpleNamespace(intent=TRUTH[text] if named else OUT_OF_SCOPE, score=float(np.log(0.6)))

        @contextmanager
        def parser(*_: object) -> Iterator[Unsure]:
            yield Unsure()

        monkeypatch.setattr("edgewright.language.labelling.suggesters.language_model_parser", parser)
        done = suggest(opened, language_model=tmp_path / "assistant.gguf", minimum=0.0)
        assert (done.fitted, done.suggested, done.right) == (False, 1, 1.0)
        content = {item.id: item.content for item in opened.items()}
        confidences = {content[item]: given.confidence for item, given in opened.suggestions().items()}
        assert confidences[last] == pytest.approx(0.6)


@pytest.mark.parametrize("says", ["{}", '{"intent": "zebra"}', '{"intent": "lamp", "slots": []}', '{"intent": null}'])
def test_a_server_without_grammars_is_refused(model: Server, tmp_path: Path, cli: Cli, says: str) -> None:
    project, gguf = write_project(tmp_path), tmp_path / "assistant.gguf"
    gguf.write_bytes(b"GGUF")
    model.says = says
    assert "of the language model" in cli("label", "suggest", project, "--by", gguf, code=74)


def test_what_cannot_label_is_refused(model: Server, tmp_path: Path, cli: Cli) -> None:
    project = write_project(tmp_path)
    assert "descriptions, language-model, linear" in cli("label", "suggest", project, "--by", "lamps", code=2)
    assert "a language model and texts" in cli("label", "suggest", project, "--by", "language-model", code=2)
    assert "a .gguf file" in cli("label", "suggest", project, "--by", tmp_path / "absent.gguf", code=2)
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n" + "1,2\n" * 40)
    gguf = tmp_path / "assistant.gguf"
    gguf.write_bytes(b"GGUF")
    classes = ("--class", "on=it runs", "--class", "off=it stands")
    refused = ("label", "suggest", rows, "--rows", "--out", tmp_path / "r.labelling", *classes, "--by", gguf)
    assert "items that are no texts" in cli(*refused, code=2)
    assert model.asked == []
