"""The job of a manual with questions of one's own: found, refused, and put through the whole flow."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli_runner import Cli
from documents_example import MANUAL
from edgewright.jobs.steps.answers import ManualConfig, read_manual
from edgewright.language.documents.judging import PlainSearch, SectionQuestion, chosen_on, plain, section_of
from edgewright.language.documents.passages import Block
from flow_example import FLOW

QUESTIONS = """question,section,kind
How long does the warranty last?,Drill X200>Warranty,Plain
How do I change the batteries?,Power,Plain
May I clean the housing with water?,Cleaning,Paraphrased
Who was the first emperor of Rome?,,Plain
Where is it sold?,Shops,Plain
"""
JOB = """
title = "What does the manual say?"
shows = "An index and a flow."
minutes = 0.1
[[steps]]
kind = "answers"
documents = ["drill.md"]
questions = "questions.csv"
[[steps]]
kind = "flow"
documents = ["drill.md"]
questions = "questions.csv"
"""
# Every other line is no question that the manual answers, so the dialogue takes it for one to be refused.
DAY = """
[[steps]]
kind = "conversation"
documents = ["drill.md"]
questions = "questions.csv"
days = 2
"""
SCRIPT = """
turn_s = 20.0
[[visits]]
at = "08:00"
turns = [{ ask = "answer" }, { ask = "refusal" }]
[[visits]]
at = "10:30"
turns = [{ say = "good evening", state = "idle" }, { ask = "answer" }]
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "drill"
    folder.mkdir()
    for name, text in (
        ("drill.md", MANUAL), ("questions.csv", QUESTIONS), ("job.toml", JOB), ("flow.toml", FLOW),
    ):  # fmt: skip
        (folder / name).write_text(text)
    return folder


def figures(step: dict[str, Any]) -> dict[str, float]:
    return {one["name"]: one["value"] for one in step["figures"]}


def test_questions_of_ones_own_judge_an_index_and_its_flow(job: Path, tmp_path: Path, cli: Cli) -> None:
    record = cli.json("jobs", "run", job, "--out", tmp_path / "runs")
    answers, flow = record["steps"]
    figures_of = figures(answers)
    assert "3 questions to 3 sections judge; 2 are left out" in answers["says"][0]
    assert figures_of["recall@5"] == figures_of["refused_others"] == 1.0
    assert figures_of["refused_answerable"] == 0.0
    assert figures_of["paraphrased@5"] == 1.0
    assert figures_of["peer"] == 1.0
    interval = answers["figures"][1]["interval"]
    assert interval["low"] < 1.0, "three sections are few"
    through = figures(flow)
    assert through["reached"] == through["worst"] == 1.0
    assert through["answered"] == figures_of["answered"]
    flow_folder = tmp_path / "runs" / "drill" / "flow"
    assert sorted(path.name for path in flow_folder.iterdir()) == ["drill.index", "flow.toml"]
    assert "every state can be reached" in cli("language", "dialogue", "check", flow_folder / "flow.toml")


@pytest.mark.slow
def test_a_day_of_visits_is_replayed_without_a_network(job: Path, tmp_path: Path, cli: Cli) -> None:
    (job / "job.toml").write_text(JOB + DAY)
    (job / "day.toml").write_text(SCRIPT)
    day = cli.json("jobs", "run", job, "--out", tmp_path / "runs")["steps"][2]
    figures_of = figures(day)
    assert figures_of["answered"] == figures_of["refused"] == 1.0
    # This flow looks up whatever is said.
    assert figures_of["talk"] == 0.0
    assert figures_of["network"] == 0
    assert 10e6 < figures_of["memory"] < 200e6
    assert "gives the same transcript" in day["says"][0]
    assert day["passed"]
    line = day["timeline"]
    # Two turns, a pause that is drawn for 400 s, two turns.
    assert line["seconds"] == 20 + 20 + 400 + 20 + 20
    assert [one["label"] for one in line["truth"]] == ["answer", "refusal", "talk", "answer"]
    assert [one["label"] for one in line["answers"]] == ["answer", "refusal", "refusal", "answer"]
    assert [mark["kind"] for mark in line["marks"]] == ["alarm", "alarm", "missed", "alarm"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('at = "10:30"', 'at = "25:30"', "[01]"),
        ('at = "10:30"', 'at = "08:00"', "visits in order"),
        (', state = "idle"', "", "turns with `ask`, or `say` and `state`"),
        ('[{ ask = "answer" }, ', '[{ ask = "answer" }, { ask = "refusal" }, ', "2 questions for ask"),
    ],
)
def test_a_script_that_does_not_fit_is_told(
    job: Path, tmp_path: Path, cli: Cli, before: str, after: str, message: str
) -> None:
    (job / "job.toml").write_text(JOB + DAY)
    assert before in SCRIPT
    (job / "day.toml").write_text(SCRIPT.replace(before, after))
    cli("jobs", "run", job, "--out", tmp_path / "runs", code=1)
    page = (tmp_path / "runs" / "drill" / "job.html").read_text()
    assert message in page
    assert "day.toml" in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("job.toml", 'questions = "questions.csv"', ""), "a public `set`, or `documents` and `questions`"),
        (("job.toml", '"questions.csv"', '"none.csv"'), "none.csv"),
        (("questions.csv", "question,", "asked,"), "a CSV file with the column question"),
        (("questions.csv", "Warranty", "Guarantee"), "2 questions to 2 sections"),
        (("job.toml", 'kind = "answers"', 'kind = "answers"\nset = "hapt"'), "neither or both"),
        (("job.toml", 'kind = "flow"', 'kind = "flow"\nutterances = "x.toml"'), "`utterances` for the `model`"),
    ],
)
def test_what_does_not_fit_is_told(
    job: Path, tmp_path: Path, cli: Cli, change: tuple[str, str, str], message: str
) -> None:
    name, before, after = change
    text = (job / name).read_text()
    assert before in text
    (job / name).write_text(text.replace(before, after))
    code = 0 if "sections" in message else 1 if "utterances" in message else 2
    out = cli("jobs", "run", job, "--out", tmp_path / "runs", code=code)
    page = tmp_path / "runs" / "drill" / "job.html"
    assert message in (page.read_text() if code != 2 else out)


def test_a_section_is_the_deepest_that_the_documents_have() -> None:
    titles = {"power", "cleaning", "changing the content and settings for"}
    assert section_of("Drill X200>Power>Batteries", titles) == "power"
    assert section_of("Drill X200>Changing the content and settings for the night", titles) == (
        "changing the content and settings for"
    )
    assert section_of("Shops", titles) == ""
    assert plain("  The TV's  Menu! ") == "the tv s menu"
    assert not chosen_on("power", 0)
    assert sum(chosen_on(str(n), 4) for n in range(1000)) == pytest.approx(400, abs=60)


def test_the_peer_is_plain_full_text_search() -> None:
    search = PlainSearch([Block(("Power",), 0, "cells and batteries"), Block(("Cleaning",), 0, "a dry cloth")])
    ask = SectionQuestion(text='which "cloth"?', section="cleaning", group="cleaning")
    assert search.rank(ask, 5) == 0
    assert search.rank(SectionQuestion(text="cloth", section="power", group="power"), 5) == -1


@pytest.mark.parametrize("chosen", [0, 4])
@pytest.mark.parametrize("others", ["", "others.csv"])
def test_questions_that_judge_have_a_section_and_are_not_those_that_choices_saw(
    tmp_path: Path, others: str, chosen: int
) -> None:
    (tmp_path / "drill.md").write_text(MANUAL)
    (tmp_path / "questions.csv").write_text(QUESTIONS)
    (tmp_path / "others.csv").write_text("title,question\n" + "".join(f"t{n},Why {n}?\n" for n in range(30)) + "t0,\n")
    work: Any = SimpleNamespace(folder=tmp_path, data=None)
    config = ManualConfig(
        kind="answers",
        documents=("drill.md",),
        questions="questions.csv",
        others=others,
        without=("Paraphrased",),
        chosen=chosen,
    )
    manual = read_manual(config, work)
    sections = {"How long does the warranty last?": "warranty", "How do I change the batteries?": "power"}
    judging = {text: section for text, section in sections.items() if not chosen_on(section, chosen)}
    assert {question.text: question.section for question in manual.questions} == judging
    assert len(judging) == (1 if chosen else 2)
    # One that the documents do not answer; those of a section that is not there, or without a question, are none.
    unanswered = [f"Why {number}?" for number in range(30) if others and not chosen_on(f"t{number}", chosen)]
    assert [question.text for question in manual.others] == ["Who was the first emperor of Rome?", *unanswered]
    assert all(not question.section for question in manual.others)
    assert (len(unanswered) < 30) == bool(chosen) or not others
    assert manual.left_out == 5 - len(manual.questions)
