"""Suggestions, what to label next, and likely errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import LabelProjectError, LabelsError, UnknownNameError
from edgewright.language.embedding.directory import Vectors, unit
from edgewright.language.labelling.audit import likely_errors
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.suggesters import Given, out_of_fold, suggester_of
from edgewright.language.labelling.suggestion_round import choose, shares_of, suggest, temperature
from edgewright.language.labelling.vectors import features, vectors_of
from label_example import FOODS, LAMPS, TRUTH, answer, write_project
from media_encoders import picture_encoder


class ByWords:
    """An encoder that knows two meanings."""

    name, dimensions, bytes = "by-words", 3, 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return counts of words of each meaning."""
        known = [(*LAMPS, "light"), (*FOODS, "eat", "cook")]
        rows = [[sum(w in text.split() for w in words) for words in known] + [0.1] for text in texts]
        return unit(np.array(rows, np.float32))

    def words(self) -> list[str]:
        """None."""
        return []


def blobs(each: int, spread: float = 0.15) -> tuple[Vectors, np.ndarray]:
    """Three clusters on the sphere, with their numbers."""
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), each)
    return unit(np.eye(3)[targets] + spread * random.normal(size=(3 * each, 3))), targets.astype(np.int64)


def test_descriptions_suggest_before_anything_is_labelled(tmp_path: Path) -> None:
    with Project(write_project(tmp_path)) as project:
        suggestions = suggest(project, encoder=ByWords(), count=6)
        assert (suggestions.suggester, suggestions.labelled, suggestions.suggested, suggestions.queued) == (
            "descriptions",
            0,
            80,
            6,
        )
        texts = {item.id: item.content for item in project.items()}
        assert all(one.label == TRUTH[texts[number]] for number, one in project.suggestions().items())
        assert {one.source for one in project.suggestions().values()} == {"machine/descriptions"}


def test_nothing_is_suggested_from_nothing(tmp_path: Path) -> None:
    with Project(write_project(tmp_path)) as project:
        suggestions = suggest(project)
        assert (suggestions.suggester, suggestions.suggested, suggestions.queued) == ("", 0, 20)
        with pytest.raises(LabelsError):
            suggest(project, by="neighbours")
        with pytest.raises(UnknownNameError, match="Did you mean 'neighbours'"):
            suggest(project, by="neighbors")


@pytest.mark.parametrize("by", ["linear", "neighbours"])
def test_few_labels_suggest_the_rest_and_people_are_left_alone(tmp_path: Path, by: str) -> None:
    with Project(write_project(tmp_path)) as project:
        answer(project, list(range(1, 80, 3)))
        suggested = suggest(project, by=by, minimum=0.6)
        assert (suggested.labelled, suggested.fitted) == (27, True)
        reported = {one.item for one in project.reviews()}
        suggestions = project.suggestions()
        assert not reported & suggestions.keys()
        texts = {item.id: item.content for item in project.items()}
        given = [one.label == TRUTH[texts[n]] for n, one in suggestions.items() if one.label]
        assert len(given) > 30
        assert np.mean(given) > 0.95
        assert all(one.confidence >= 0.6 for one in suggestions.values() if one.label)


def test_labels_replace_descriptions_when_every_class_has_some(tmp_path: Path) -> None:
    with Project(write_project(tmp_path)) as project:
        answer(project, list(range(1, 31)))
        # All of them are lamps: labels know no food, descriptions do.
        suggestions = suggest(project, encoder=ByWords())
        assert (suggestions.suggester, suggestions.absent) == ("descriptions", ())
        answer(project, list(range(50, 54)))
        assert suggest(project, encoder=ByWords()).suggester in ("descriptions", "linear", "neighbours")
        project.add_class("drink")
        assert suggest(project).absent == ("drink",)


def test_a_labelled_item_is_not_judged_by_its_own_label() -> None:
    vectors, targets = blobs(20)
    wrong = targets.copy()
    wrong[0] = 1
    for name in ("linear", "neighbours"):
        suggester = suggester_of(name)
        scores = suggester.scores(Given(vectors, wrong, ("a", "b", "c"), ("", "", "")))
        assert scores[0].argmax() == 0
        assert np.mean(scores.argmax(axis=1) == targets) > 0.95


def test_the_temperature_says_how_often_it_is_right() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, 400)
    scores = np.zeros((400, 2))
    scores[np.arange(400), np.where(random.random(400) < 0.8, targets, 1 - targets)] = 10.0
    heat, _ = temperature(scores, targets)
    assert shares_of(scores, heat).max(axis=1).mean() == pytest.approx(0.8, abs=0.03)


def test_the_next_items_are_uncertain_and_differ() -> None:
    vectors, targets = blobs(40)
    chosen = choose(vectors, np.arange(120), 3, None, 0)
    assert sorted(targets[chosen].tolist()) == [0, 1, 2]
    shares = np.full((120, 3), 1e-3)
    shares[:, 0] = 1.0 - 2e-3
    shares[30:60] = [0.5, 0.49, 0.01]
    later = choose(vectors, np.arange(120), 3, shares, 0)
    assert all(30 <= item < 60 for item in later)
    assert len(set(later)) == 3
    assert choose(vectors, np.arange(2), 3, None, 0) == [0, 1]


def test_labels_that_were_turned_are_found_and_groups_are_left_out() -> None:
    vectors, targets = blobs(60)
    labels = targets.copy()
    turned = [3, 70, 140]
    labels[turned] = (labels[turned] + 1) % 3
    assert {one.index for one in likely_errors(vectors, labels)} == set(turned)
    assert likely_errors(vectors, labels)[0].likelier == targets[likely_errors(vectors, labels)[0].index]
    # A class that only one group has is never predicted for that group.
    groups = (targets == 0).astype(np.int64)
    assert out_of_fold(vectors, targets, 3, groups)[targets == 0].argmax(axis=1).max() > 0
    with pytest.raises(LabelsError):
        likely_errors(vectors[:62], labels[:62])
    with pytest.raises(LabelProjectError):
        likely_errors(vectors, labels, np.zeros(180, np.int64))


def test_windows_become_features_of_the_shipped_stages() -> None:
    random = np.random.default_rng(0)
    windows = random.normal(size=(30, 2, 64)).astype(np.float32)
    windows[:15] *= 5
    windows[0, 0, :3] = np.nan
    windows[1, 1] = np.nan
    feature_rows = features(windows, ("x", "y"), ("g", "g"), 50.0)
    assert np.isfinite(feature_rows).all()
    assert np.allclose(np.linalg.norm(feature_rows, axis=1), 1.0)
    assert (feature_rows[2:15] @ feature_rows[16:].T).mean() < (feature_rows[2:15] @ feature_rows[2:15].T).mean() - 0.5


def test_likely_errors_say_what_they_cannot_do(tmp_path: Path, cli: Cli) -> None:
    path = write_project(tmp_path)
    with Project(path) as project:
        answer(project, list(range(1, 81)))
        project.say(1, "food", "ann", "typed")
    text = cli("label", "errors", path)
    assert "1 food (rather lamp)" in text
    assert "only edgewright label audit shows their error rate" in text


def test_pictures_by_an_encoder_or_by_their_colours(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "shelf").mkdir()
    for number in range(6):
        colour = (250 - number, 5, 5) if number % 2 else (5, 5, 250 - number)
        Image.new("RGB", (16, 16), colour).save(tmp_path / "shelf" / f"{number}.png")
    path = str(tmp_path / "shelf.labelling")
    encoder = str(picture_encoder(tmp_path / "colours"))
    make_it = ["label", "suggest", str(tmp_path / "shelf"), "--out", path, "--class", "red", "--class", "blue"]
    assert run([*make_it, "--encoder", str(tmp_path)]) == 2
    assert not Path(path).exists()
    assert run([*make_it, "--encoder", encoder]) == 0
    with Project(Path(path)) as project:
        names = {item.id: item.content for item in project.items()}
        labels_by_file = {names[n]: one.label for n, one in project.suggestions().items()}
        assert labels_by_file == {f"{n}.png": "red" if n % 2 else "blue" for n in range(6)}
        assert np.ptp(vectors_of(project)[1] @ vectors_of(project).T) > 0.5
    (tmp_path / "shelf" / "0.png").write_bytes(b"another")
    assert "another one" in cli("label", "export", path, "--out", tmp_path / "shelf.csv", code=2)
