"""Dialogues that cannot be held are refused, each mistake by its name; the shipped one can be held and is drawn."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from edgewright.core.errors import InputError, StateTableError
from edgewright.language.dialogue.conversation import RULES, Vocabulary, read_dialogue, vocabulary
from edgewright.language.dialogue.diagram import mermaid, svg, ways
from edgewright.nlp.records import LanguageSpec, TaggerSpec
from edgewright.nlp.utterance.values import values
from support import ROOT

VENDING = ROOT / "docs" / "examples" / "vending.toml"
INTENTS = frozenset({"dispense_drink", "dispense_food", "yes", "no", "cancel", "help", "thanks"})
KNOWN = Vocabulary(INTENTS, frozenset({"drink", "food"}))

HEAD = 'name = "door"\nstates = ["shut", "open"]\ninitial = "shut"\n'
ELSE = '[[steps]]\nstate = "*"\nevent = "*"\nactions = [{ say = "Open or shut?" }]\n'
OPENS = '[[steps]]\nstate = "shut"\nevent = "open_it"\nto = "open"\nactions = [{ say = "Open." }]\n'
SHUTS = '[[steps]]\nstate = "open"\nevent = "shut_it"\nto = "shut"\nactions = [{ say = "Shut." }]\n'
DOOR = Vocabulary(frozenset({"open_it", "shut_it"}), frozenset({"name"}))


def door(folder: Path, text: str) -> Path:
    file = folder / "door.toml"
    file.write_text(text)
    return file


def test_the_shipped_dialogue_can_be_held() -> None:
    checked, dialogue_summary = read_dialogue(VENDING, KNOWN)
    assert (dialogue_summary.states, dialogue_summary.slots) == (5, ("drink", "food"))
    assert dialogue_summary.findings == ()
    assert checked.table.initial == "idle"


def test_what_is_allowed_and_perhaps_not_meant_is_told(tmp_path: Path) -> None:
    text = HEAD + ELSE + OPENS.replace('actions = [{ say = "Open." }]\n', "") + SHUTS
    wide = Vocabulary(DOOR.intents | {"dance"}, DOOR.slots)
    _, dialogue_summary = read_dialogue(door(tmp_path, text), wide)
    assert dialogue_summary.findings == (
        "steps[1] (open_it in shut) has no answer",
        "no step uses intent 'dance' of the model",
        "open wait forever: no time-out",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the key `name`"),
        ('name = "x"\nstates = ["a"]\ninitial = "a"\nfallback = "stay"\nfinal = ["a"]\n', "a dialogue with steps"),
        (HEAD + ELSE + OPENS, "a way out of state 'open', got none: a dead end"),
        (HEAD + 'final = ["shut"]\n' + ELSE + OPENS.replace('to = "open"', "") + SHUTS, "a way to state 'open'"),
        (HEAD + OPENS + SHUTS, "a fallback in state 'shut'"),
        (HEAD + 'fallback = "stay"\n' + OPENS + SHUTS, "fallback = 'step' in a dialogue"),
        (HEAD + ELSE.replace('{ say = "Open or shut?" }', "") + OPENS + SHUTS, "a fallback with an answer in state"),
        (HEAD + ELSE + OPENS.replace("open_it", "opne_it") + SHUTS, "no intent of the model 'opne_it'"),
        (HEAD + ELSE + OPENS + 'when = "size > 3"\n' + SHUTS, "no slot of the model 'size'. Known: name"),
        (HEAD + ELSE + OPENS.replace("Open.", "Open, {who}.") + SHUTS, "no slot of the model 'who'"),
        (HEAD + ELSE + OPENS + SHUTS.replace('{ say = "Shut." }', '{ forget = "x" }'), "no slot of the model 'x'"),
        (HEAD + ELSE + OPENS + 'when = "rate(name) > 1"\n' + SHUTS, "a guard of slots, got a rate of change"),
        (HEAD + 'safe = "shut"\npatience = 3.0\n' + ELSE + OPENS + SHUTS, "a dialogue without a watchdog"),
        (
            HEAD + ELSE + OPENS + SHUTS + '[[steps]]\nstate = "open"\nevent = "timeout"\nafter = 1.0\nto = "shut"\n'
            '[[steps]]\nstate = "shut"\nevent = "timeout"\nafter = 1.0\nto = "open"\n',
            "a cycle: open -> shut -> open",
        ),
        (
            HEAD + ELSE + OPENS + SHUTS + '[[steps]]\nstate = "open"\nevent = "timeout"\nafter = 1.0\n',
            "a cycle: open -> open",
        ),
        (HEAD + ELSE + OPENS.replace('say = "Open."', f'say = "{"a" * 501}"') + SHUTS, "at most 500"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_dialogue(door(tmp_path, text), DOOR)
    assert message in str(caught.value)


def test_what_a_model_understands_as_events() -> None:
    student = None
    spec = LanguageSpec(name="m", intents=("play music", "timeout"), student=student,
                        tagger=TaggerSpec(labels=("O", "B-artist", "I-artist"), scale=1.0),
                        gazetteers={"drink": {"soda": "soda"}})  # fmt: skip
    known = vocabulary(spec)
    assert known.intents == {"play_music", "timeout_"}
    assert known.slots == {"artist", "drink", *RULES}
    with pytest.raises(StateTableError, match="'play music' and 'play_music'"):
        vocabulary(LanguageSpec(name="m", intents=("play music", "play_music"), student=student))


def test_slots_by_rules_are_those_of_the_parser() -> None:
    slot_names = {slot.name for slot in values("seven at 7 pm on 2026-01-01 for ten minutes")}
    assert slot_names == set(RULES)


def test_the_diagram_has_every_state_and_way() -> None:
    checked, _ = read_dialogue(VENDING)
    distances = ways(checked.table)
    assert distances.ranks == {"idle": 0, "which_drink": 1, "which_food": 1, "pay_drink": 1, "pay_food": 1}
    (wish,) = [arrow for arrow in distances.arrows if (arrow.before, arrow.after) == ("pay_drink", "idle")]
    assert wish.lines == ("yes", "no", "cancel", "after 30 s")
    picture = ElementTree.fromstring(svg(checked.table))  # noqa: S314 - our own text
    words = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {*checked.table.states, "after 30 s", "dispense_food [food]"} <= words
    ways_drawn = [p for p in picture.iter("{http://www.w3.org/2000/svg}path") if p.get("marker-end")]
    assert len(ways_drawn) == len(distances.arrows) + 1
    text = mermaid(checked.table)
    assert text.startswith("stateDiagram-v2\n")
    assert "s3 --> s0: yes" in text
    assert "[*] --> s0" in text


def test_words_of_a_diagram_lie_on_nothing() -> None:
    checked, _ = read_dialogue(VENDING)
    rectangles = ElementTree.fromstring(svg(checked.table)).iter("{http://www.w3.org/2000/svg}rect")  # noqa: S314 - our own
    places = [tuple(float(element.get(key, "")) for key in ("x", "y", "width", "height")) for element in rectangles]
    for number, (x, y, w, h) in enumerate(places):
        for u, v, s, t in places[number + 1 :]:
            # A pixel of rounding.
            assert x + w <= u + 1 or u + s <= x + 1 or y + h <= v + 1 or v + t <= y + 1
