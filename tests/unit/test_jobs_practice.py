"""A practice session of a job: verdicts as they come, their delays, and a log that stays local."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from coach_example import has_speech, random_coach, recordings
from edgewright.jobs.steps import Work
from edgewright.jobs.steps.practice import STEP, Config
from edgewright.language.pronunciation.coach import write_coach
from edgewright.language.pronunciation.log import days, readings
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.schema.errors import InputError
from support import left_out


@pytest.fixture
def work(tmp_path: Path) -> Work:
    if not has_speech():
        left_out("espeak-ng is not installed")
    (tmp_path / "out").mkdir()
    write_coach(tmp_path / "out" / "mine.coach", random_coach())
    return Work(tmp_path / "mine", tmp_path / "out", recordings(tmp_path / "takes"), Listener())


@pytest.mark.slow
def test_sentences_are_read_one_after_the_other(work: Work) -> None:
    step = STEP.run(Config(kind="practice", shown=4), work)
    values = {figure.name: figure.value for figure in step.figures}
    kept = readings(work.out / "practice")
    assert len(kept) == 6
    assert {one.text for one in kept} >= {"THE BEAR", "A THIN BEAR"}
    assert all((work.out / "practice" / one.recording).is_file() for one in kept)
    assert sum(day.words for day in days(kept)) == values["words"] == sum(len(one.words) for one in kept)
    assert values["network"] == 0
    assert values["delay"] <= values["late"]
    assert 0 < values["busy"] < 1
    line = step.timeline
    assert line is not None
    assert len(line.states) == 4
    # A second of pause lies between two sentences, and each has a word that was changed.
    assert all(b.start - a.end == pytest.approx(1.0) for a, b in pairwise(line.states))
    assert sum(one.label == "mispronounced" for one in line.truth) >= 4
    wrong = [mark for mark in line.marks if mark.kind in ("alarm", "missed")]
    assert len(wrong) == sum(one.label == "mispronounced" for one in line.truth)
    assert all("said" in mark.text for mark in wrong)


def test_a_session_without_its_coach(work: Work) -> None:
    with pytest.raises(InputError, match="edgewright coach train"):
        STEP.run(Config(kind="practice", coach="other.coach"), work)
