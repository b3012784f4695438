"""Dialogues that look things up: what the index says decides where they go, and every value can be shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cli_runner import Cli
from documents_example import LOOKING_FLOW as FLOW
from documents_example import QUESTION, manual_index
from edgewright.cli.main import run
from edgewright.core.errors import DialogueError, InputError, StateTableError
from edgewright.language.dialogue.conversation import read_dialogue, turn_lines, turn_steps
from edgewright.language.dialogue.diagram import drawing, mermaid, svg
from edgewright.nlp.dialogue import Dialogue
from edgewright.nlp.documents.search import Retriever
from edgewright.nlp.records import OUT_OF_SCOPE, Parsed, Ranked, Slot
from llm_server import language_model
from support import ROOT


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    manual_index(tmp_path)
    path = tmp_path / "flow.toml"
    path.write_text(FLOW)
    return path


def parsed(text: str, intent: str = OUT_OF_SCOPE) -> Parsed:
    slots = (Slot(name="place", begin=0, end=1, text="x", value="here"),) if intent != OUT_OF_SCOPE else ()
    others = (Ranked(intent="thanks", confidence=0.2),)
    return Parsed(text=text, intent=intent, confidence=0.75, score=1.0, limit=2.0, others=others, slots=slots)


def test_a_question_is_looked_up_and_the_answer_decides_the_state(flow: Path) -> None:
    checked, _ = read_dialogue(flow)
    with Retriever(checked.table, flow.parent) as look:
        talk = Dialogue(checked, look)
        question, answer = talk.hear(parsed(QUESTION), 1.0)
        assert (question.event, question.after, question.retrieved) == ("out_of_scope", "look_up", None)
        assert (answer.event, answer.before, answer.after) == ("found", "look_up", "told")
        assert answer.answers == ("The warranty lasts 24 months from the date of purchase. (Drill X200 > Warranty)",)
        assert answer.retrieved is not None
        assert answer.retrieved.confidence >= 0.9
        refused = talk.hear(parsed("Who was the emperor of Rome?"), 2.0)[-1]
        assert (refused.event, refused.after, refused.answers) == ("not_found", "idle", ("Not in the manual.",))
        # What the first answer was is not known any more.
        assert "section" not in talk.machine.names or refused.retrieved is not None
        nothing = talk.hear(parsed("?!"), 3.0)[-1]
        assert (nothing.event, nothing.retrieved is not None and nothing.retrieved.passages) == ("not_found", ())


def test_a_limit_of_ones_own_refuses_more(flow: Path) -> None:
    flow.write_text(FLOW.replace("top = 2", "top = 1\nminimum = 1.0"))
    checked, _ = read_dialogue(flow)
    with Retriever(checked.table, flow.parent) as look:
        output = Dialogue(checked, look).hear(parsed(QUESTION), 1.0)[-1]
    assert output.event == "not_found"
    assert output.retrieved is not None
    assert (output.retrieved.threshold, len(output.retrieved.passages)) == (1.0, 1)


def test_every_value_of_a_turn_is_shown(flow: Path) -> None:
    checked, _ = read_dialogue(flow)
    with Retriever(checked.table, flow.parent) as look:
        talk = Dialogue(checked, look)
        understood = parsed(QUESTION, "ask")
        steps = turn_steps(understood, talk.hear(understood, 1.0))
    assert [step.kind for step in steps] == ["intent", "step", "state", "retrieve", "step", "answer", "state"]
    assert steps[0].text == "Intent ask, 75 %"
    assert steps[0].rows == (("intent", "ask", "75 %"), ("intent", "thanks", "20 %"), ("slot", "place", "here"))
    assert "required 61 %" in steps[3].text
    assert steps[3].headers == ("score", "section", "page", "sentence")
    assert [step.state for step in steps[1:]] == ["idle", "look_up", "look_up", "look_up", "look_up", "told"]
    lines = list(turn_lines(steps))
    assert "  State: look_up to told" in lines
    assert any("The warranty lasts 24 months" in line for line in lines)
    assert turn_steps(parsed("x"), ())[0].text == "Out of scope: score 1.00, required 2.00"


def test_it_is_held_in_the_terminal_without_a_model(flow: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n/thanks\n/ask question='{QUESTION}'\n"))
    out = cli("language", "chat", flow, "--steps").splitlines()
    assert "  Retrieve in look_up: found, probability of an answer" in "\n".join(out)
    assert out[-1] == "The warranty lasts 24 months from the date of purchase. (Drill X200 > Warranty)"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n"))
    lines = [json.loads(line) for line in cli("language", "chat", flow, "--json").splitlines()]
    assert "retrieved" not in lines[0]
    assert lines[1]["retrieved"]["found"][0]["path"] == ["Drill X200", "Warranty"]


@pytest.mark.parametrize(
    ("text", "answer", "step"),
    [
        ("It lasts 24 months from purchase [1].", "It lasts 24 months from purchase. (Drill X200 > Warranty)",
         "tiny was asked: by its words, which rest on [1]"),
        ("The warranty lasts 36 months [1].",
         "The warranty lasts 24 months from the date of purchase. (Drill X200 > Warranty)", "tiny was asked: quoted"),
        ("It lasts 24 months from purchase [1]. Charge the battery for 60 minutes [2].",
         "The warranty lasts 24 months from the date of purchase. (Drill X200 > Warranty)", "tiny was asked: quoted"),
    ],
)  # fmt: skip
def test_a_language_model_phrases_what_one_passage_supports(
    flow: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, text: str, answer: str, step: str
) -> None:
    with language_model() as model:
        model.says = text
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\nWho was the emperor of Rome?\n"))
        out = cli("language", "chat", flow, "--steps", "--phrase", model.url).splitlines()
        assert answer in out and "Not in the manual." in out
        assert step in "\n".join(out)
        assert len(model.asked) == 1, "a refused question never reaches the model"


def test_a_language_model_that_fails_ends_the_conversation(
    flow: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    with language_model() as model:
        model.manner = "garbage"
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n"))
        failed = cli("language", "chat", flow, "--phrase", model.url, code=74)
        assert "expected an answer of a language model" in failed
    vending = ROOT / "docs" / "examples" / "vending.toml"
    assert "a dialogue that looks things up" in cli("language", "chat", vending, "--phrase", "http://[::1]:1", code=2)


def test_nothing_in_a_diagram_overlaps_and_a_layout_of_version_0_2_is_ignored(flow: Path) -> None:
    flow.write_text(FLOW + "[layout]\nidle = [300, 0]\nlook_up = [0, 0]\ntold = [0, 0]\n")
    checked, _ = read_dialogue(flow)
    diagram = drawing(checked.table)
    boxes = {box.state: box for box in diagram.boxes}
    assert boxes["look_up"].lines == ("looks up drill.index",)
    areas = [box.area for box in diagram.boxes] + [way.area for way in diagram.ways]
    for number, (x, y, w, h) in enumerate(areas):
        assert x + w <= diagram.width
        assert y + h <= diagram.height
        for u, v, s, t in areas[number + 1 :]:
            assert x + w <= u or u + s <= x or y + h <= v or v + t <= y
    assert svg(checked.table).startswith("<svg")
    assert "found" in mermaid(checked.table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('initial = "idle"', 'initial = "look_up"'), "a first state that waits for a question"),
        (('event = "not_found"\nto = "idle"', 'event = "not_found"\nto = "look_up"'), "'not_found' that leaves state"),
        (('event = "not_found"', 'event = "nothing"'), "a step of event 'not_found' that leaves state 'look_up'"),
        (("[retrieve.look_up]", "[retrieve.nowhere]"), "no state 'nowhere'. Known: idle, look_up, told - at flow.toml"),
        (("top = 2", "top = 0"), "a whole number of at least 1"),
        (
            ('event = "thanks"\nto = "idle"', 'event = "timeout"\nafter = 1.0\nto = "look_up"'),
            "a time-out to a state that waits",
        ),
        (('event = "*"\nto = "look_up"', 'event = "ask"\nto = "look_up"'), "a fallback in state 'idle'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(flow: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in FLOW
    flow.write_text(FLOW.replace(*change))
    with pytest.raises(InputError) as caught:
        read_dialogue(flow)
    assert message in str(caught.value)


def test_retrievals_that_go_round_are_refused(flow: Path) -> None:
    text = FLOW.replace('states = ["idle", ', 'states = ["idle", "again", ')
    text = text.replace('event = "not_found"\nto = "idle"', 'event = "not_found"\nto = "again"')
    text += """[retrieve.again]
index = "drill.index"
[[steps]]
state = "again"
event = "found"
to = "told"
actions = [{ say = "{answer}" }]
[[steps]]
state = "again"
event = "not_found"
to = "%s"
actions = [{ say = "No." }]
"""
    flow.write_text(text % "told")
    _, summary = read_dialogue(flow)
    assert summary.findings == ("told wait forever: no time-out",)
    flow.write_text(text % "look_up")
    with pytest.raises(StateTableError, match="a cycle through"):
        read_dialogue(flow)


def test_what_is_missing_is_told(flow: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "drill.index").unlink()
    assert "note: look_up retrieves from drill.index, which is not there" in cli("language", "dialogue", "check", flow)
    assert "an index of documents, got no such file" in cli("language", "chat", flow, code=2)
    checked, _ = read_dialogue(flow)
    with pytest.raises(DialogueError):
        Dialogue(checked)
    assert "a dialogue that retrieves nothing" in cli("language", "dialogue", "c", flow, "--out", tmp_path, code=2)
    assert run(["language", "dialogue", "draw", str(flow), "--out", str(tmp_path / "f.svg")]) == 0
