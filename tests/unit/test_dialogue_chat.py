"""The shipped dialogue is held over a pipe: with intents alone, and with a model of the shipped utterances."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.export.write import LIST
from edgewright.nlp.dialogue import event_name, filled, slots_of
from edgewright.nlp.records import Parsed, Slot
from edgewright.nlp.utterance.parse import Understanding
from support import ROOT

EXAMPLES = ROOT / "docs" / "examples"
VENDING = str(EXAMPLES / "vending.toml")
Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def chat(lines: list[str], arguments: list[str], patch: Patch, capsys: Capture) -> tuple[int, str, str]:
    patch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
    code = run(["language", "chat", VENDING, *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_intents_alone(monkeypatch: Patch, capsys: Capture) -> None:
    lines = ["/dispense_drink", "/dispense_drink drink=soda", "/yes", "/dispense_food food='chocolate bar'", "/wait 40"]
    code, out, _ = chat(lines, [], monkeypatch, capsys)
    assert code == 0
    assert out.splitlines() == [
        "Hello! I have drinks and food. What would you like?",
        "Which drink: soda, water, coffee, tea or juice?",
        "You chose soda. Shall I take it out?",
        "[dispense_drink]",
        "Here is your soda. Enjoy!",
        "You chose chocolate bar. Shall I take it out?",
        "You are silent, so I begin anew.",
    ]


def test_a_slot_is_forgotten_when_it_was_dispensed(monkeypatch: Patch, capsys: Capture) -> None:
    lines = ["/dispense_drink drink=tea", "/yes", "/dispense_drink", "/quit", "/help"]
    _, out, _ = chat(lines, [], monkeypatch, capsys)
    assert out.splitlines()[-1].startswith("Which drink")


def test_the_transcript_is_json(monkeypatch: Patch, capsys: Capture) -> None:
    code, out, _ = chat(["/dispense_food food=apple", "/wait 31"], ["--json"], monkeypatch, capsys)
    steps = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(s["event"], s["before"], s["after"], s["time"]) for s in steps] == [
        ("start", "idle", "idle", 0.0),
        ("dispense_food", "idle", "pay_food", 0.0),
        ("timeout", "pay_food", "idle", 30.0),
    ]
    assert steps[1]["heard"] == "/dispense_food food=apple"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a soda", "Set --model"),
        ("/timeout", "/wait SECONDS"),
        ("/yes =", "=VALUE"),
        ("/wait x", "seconds from 0"),
        ('/yes "', "/INTENT SLOT=VALUE"),
    ],
)
def test_a_line_that_means_nothing(line: str, message: str, monkeypatch: Patch, capsys: Capture) -> None:
    code, _, err = chat([line], [], monkeypatch, capsys)
    assert code == 2
    assert message in err


def test_slips_in_a_terminal_end_no_conversation(monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setattr("edgewright.cli.commands.language.chat._answers_while_waiting", lambda *_: iter(()))
    typed = io.StringIO("/wait x\na soda\n/yes =\n/dispnse_drink\n/dispense_drink drink=soda\n")
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed)
    assert run(["language", "chat", VENDING]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "You chose soda. Shall I take it out?"
    for reported in ("seconds from 0", "Set --model", "=VALUE", "no step of the dialogue handles 'dispnse_drink'"):
        assert reported in err


def test_no_dialogue(tmp_path: Path, cli: Cli) -> None:
    assert "a state table, got No such file" in cli("language", "chat", tmp_path / "none.toml", code=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vending") / "vending.language"
    assert run(["language", "train", str(EXAMPLES / "vending-utterances.toml"), "--out", str(out), "--json"]) == 0
    return out


@pytest.mark.slow
def test_sentences(model: Path, monkeypatch: Patch, capsys: Capture) -> None:
    lines = ["I want a soda please", "yes please", "I would like an apple", "\N{SLIGHTLY SMILING FACE}", "no thanks"]
    code, out, _ = chat(lines, ["--model", str(model)], monkeypatch, capsys)
    assert code == 0
    assert out.splitlines()[1:] == [
        "You chose soda. Shall I take it out?",
        "[dispense_drink]",
        "Here is your soda. Enjoy!",
        "You chose apple. Shall I take it out?",
        "Yes or no, please.",
        "All right, nothing is taken out.",
    ]
    code, out, err = chat(["a" * 2000, "I want a soda please"], ["--model", str(model)], monkeypatch, capsys)
    assert code == 0, "a sentence that is too long ends no conversation"
    assert "2,000" in err
    assert out.splitlines()[-1].startswith("You chose soda")
    _, out, _ = chat(["I want a soda please"], ["--model", str(model), "--least", "1"], monkeypatch, capsys)
    assert out.splitlines()[-1] == "I can dispense drinks and food. What would you like?"


@pytest.mark.slow
def test_the_shipped_files_fit_each_other(model: Path, cli: Cli) -> None:
    assert "5 states, 18 steps" in cli("language", "dialogue", "check", VENDING, "--model", model)
    assert Understanding.load(model).parse("a cola").slots[0].value == "soda"


def test_a_dialogue_is_drawn_and_written(tmp_path: Path, cli: Cli) -> None:
    assert cli("language", "dialogue", "draw", VENDING).startswith("stateDiagram-v2")
    assert run(["language", "dialogue", "draw", VENDING, "--out", str(tmp_path / "v.svg")]) == 0
    assert (tmp_path / "v.svg").read_text().startswith("<svg")
    assert run(["language", "dialogue", "draw", VENDING, "--out", str(tmp_path / "v.png")]) == 2
    assert run(["language", "dialogue", "c", VENDING, "--out", str(tmp_path)]) == 0
    assert {p.name for p in tmp_path.iterdir()} == {LIST, "v.svg", "vending.h", "vending.c"}
    assert run(["language", "dialogue", "c", VENDING, "--out", str(tmp_path / "a" / "b")]) == 0, "folders are made"
    assert (tmp_path / "a" / "b" / "vending.h").is_file()
    (tmp_path / "v.svg").write_text("mine")
    draw = ["language", "dialogue", "draw", VENDING, "--out", str(tmp_path / "v.svg")]
    assert run(draw) == 2, "nothing is replaced silently"
    assert (tmp_path / "v.svg").read_text() == "mine"
    assert run([*draw, "--force"]) == 0


def test_names_and_slots() -> None:
    assert event_name("Play Music!") == "Play_Music_"
    assert event_name("7up") == "_7up"
    assert [event_name(name) for name in ("start", "timeout", "late", "Start")] == [
        "start_",
        "timeout_",
        "late_",
        "Start",
    ]
    slots = (
        Slot(name="count", begin=0, end=3, text="two", value=2),
        Slot(name="drink", begin=4, end=8, text="cola"),
        Slot(name="drink", begin=9, end=12, text="tea", value="tea"),
    )
    assert slots_of(Parsed(text="", intent="x", confidence=1.0, score=1.0, slots=slots)) == {
        "count": 2.0,
        "drink": "cola",
    }
    assert filled("{count} {drink} {x} {", {"count": 2.0, "drink": "tea"}) == "2 tea x {"
