"""The flow editor: the saved table is the edited one with its comments, and nobody's change is written over."""

from __future__ import annotations

import io
import re
from html import unescape
from pathlib import Path

import pytest

from cli_runner import Cli
from documents_example import manual_index
from edgewright.core.errors import StateTableError, UnknownNameError
from edgewright.core.state_machine.table import Action
from edgewright.language.dialogue.conversation import read_dialogue
from edgewright.studio.view.flow_view import FlowDocument, actions_text
from flow_example import AT, FLOW, RUN, flow_folder
from studio_example import HOSTILE, Client, client


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return flow_folder(tmp_path / "studio")


@pytest.fixture
def studio(root: Path) -> Client:
    return client(root)


def form(text: str) -> dict[str, str]:
    """Return the fields of the editor's form as a browser would send them."""
    whole = re.search(r'<form method="post"[^>]*id="flow".*?</form>', text, re.DOTALL)
    assert whole, text
    fields = {}
    for tag in re.findall(r"<input[^>]*>", whole[0]):
        parts = {key: unescape(value) for key, value in re.findall(r'([a-z-]+)="([^"]*)"', tag)}
        if parts.get("type") != "checkbox" or " checked" in tag:
            fields[parts["name"]] = parts.get("value", "")
    for name, value in re.findall(r'<textarea id="[^"]*" name="([^"]*)"[^>]*>(.*?)</textarea>', whole[0], re.DOTALL):
        fields[name] = unescape(value.removeprefix("\n")).replace("\n", "\r\n")
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]*)"[^>]*>(.*?)</select>', whole[0], re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options) or re.search(
            r'<option(?: value="([^"]*)")?>([^<]*)', options
        )
        fields[name] = (chosen[2] if chosen[1] is None else chosen[1]) if chosen else ""
    return fields


def saved(root: Path) -> str:
    return (root / "drill" / "flow.toml").read_text()


def test_a_state_is_added_connected_and_saved_with_every_comment(root: Path, studio: Client) -> None:
    fields = form(studio.get(AT).text)
    page = studio.post(AT, data={**fields, "new": "told", "do": "add"})
    assert "Not saved yet" in page.text
    assert "a way to state &#39;told&#39;" in page.text
    refused = studio.post(AT, data={**form(page.text), "do": "save"})
    assert refused.status_code == 400
    assert "nothing is saved" in refused.text
    assert saved(root) == FLOW
    page = studio.post(AT, data={**form(page.text), "do": "select:step:1"})
    page = studio.post(AT, data={**form(page.text), "to": "told", "do": "apply"})
    fields = {**form(page.text), "before": "told", "after_state": "idle", "by": "", "do": "connect"}
    page = studio.post(AT, data=fields)
    fields = form(page.text)
    assert (fields["selected"], fields["state"], fields["event"], fields["to"]) == ("step:4", "told", "event_1", "idle")
    answer = studio.post(AT, data={**fields, "event": "thanks", "actions": "say Bye.\nforget drink", "do": "save"})
    assert answer.status_code == 303, answer.text
    text = saved(root)
    for comment in re.findall(r"#.*", FLOW):
        assert comment in text
    assert text.index("# It does not.") < text.index('event = "not_found"')
    assert 'actions = [{ say = "Bye." }, { forget = "drink" }]' in text
    checked, _ = read_dialogue(root / "drill" / "flow.toml")
    assert checked.table.states == ("idle", "look_up", "told")
    assert "Saved." in studio.get(AT + "?said=1").text


def test_a_change_elsewhere_is_not_overwritten_and_an_earlier_version_comes_back(root: Path, studio: Client) -> None:
    fields = form(studio.get(AT + "?select=step:2").text)
    theirs = FLOW.replace("Not in the manual.", "No idea.")
    (root / "drill" / "flow.toml").write_text(theirs)
    answer = studio.post(AT, data={**fields, "actions": "say Sorry.", "do": "save"})
    assert answer.status_code == 409
    assert "Changed in the meantime" in answer.text
    assert "No idea." in answer.text
    assert saved(root) == theirs
    # Whoever has seen both may replace theirs, which is kept.
    assert studio.post(AT, data={**form(answer.text), "do": "save"}).status_code == 303
    assert "Sorry." in saved(root)
    fields = form(studio.get(AT).text)
    back = re.search(r'value="(restore:[^"]*)"', studio.get(AT).text)
    assert back
    stale = studio.post(AT, data={**fields, "base": "0" * 64, "do": back[1]})
    assert stale.status_code == 400
    assert studio.post(AT, data={**fields, "do": back[1]}).status_code == 303
    assert saved(root) == theirs


def test_mistakes_stand_where_they_are_and_leave_the_draft_alone(root: Path, studio: Client) -> None:
    fields = form(studio.get(AT + "?select=step:1").text)
    wrong = studio.post(AT, data={**fields, "when": "probability >>", "do": "apply"})
    assert 'class="line wrong"' in wrong.text
    assert "steps[1].when" in wrong.text
    refused = studio.post(AT, data={**fields, "actions": "shout Hey", "do": "apply"})
    assert refused.status_code == 400
    assert "No action &#39;shout&#39;" in refused.text
    assert "shout Hey" in refused.text, "what was typed is still there"
    assert form(refused.text)["draft"] == fields["draft"]
    for text, message in (("name = ", "Expected TOML"), ('name = "x"\n', "the key `states`")):
        page = studio.post(AT, data={**fields, "draft": text, "do": "save"})
        assert page.status_code == 400
        assert message in page.text
    lost = studio.post(AT, data={**fields, "draft": FLOW.replace('to = "look_up"', 'to = "nowhere"'), "do": "save"})
    assert "No state &#39;nowhere&#39;" in lost.text
    first = form(studio.get(AT + "?select=state:idle").text)
    assert "another first state before" in studio.post(AT, data={**first, "do": "delete"}).text
    assert "a name that no other state has" in studio.post(AT, data={**first, "name": "look_up", "do": "apply"}).text
    assert "a name of letters" in studio.post(AT, data={**first, "new": HOSTILE, "do": "add"}).text
    assert HOSTILE not in studio.post(AT, data={**first, "new": HOSTILE, "do": "add"}).text
    assert saved(root) == FLOW


def test_the_text_can_be_edited_too(root: Path, studio: Client) -> None:
    fields = form(studio.get(AT + "?select=step:2").text)
    text = FLOW.replace("Not in the manual.", "It does not say.")
    assert studio.post(AT, data={**fields, "draft": text.replace("\n", "\r\n"), "do": "save"}).status_code == 303
    assert saved(root) == text


def test_a_turn_is_shown_step_by_step_and_the_terminal_runs_the_same_table(
    root: Path, studio: Client, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    first = studio.get(RUN + "?next=How+long+does+the+warranty+last%3F&at=1").text
    assert "This turn, step 1 of 7" in first
    assert "Retrieve in look_up" not in first
    assert "24 months" not in first
    whole = studio.get(RUN + "?heard=How+long+does+the+warranty+last%3F").text
    assert re.search(r"Retrieve in look_up: found, probability of an answer [^,]*, required 61 %", whole)
    assert "<td>Drill X200 &gt; Warranty</td>" in whole
    assert "State: look_up to idle" in whole
    monkeypatch.setattr("sys.stdin", io.StringIO("How long does the warranty last?\n"))
    printed = cli("language", "chat", root / "drill" / "flow.toml").strip()
    assert printed == "The warranty lasts 24 months from the date of purchase."
    assert f"<span>{printed}</span>" in whole
    assert "seconds from 0" in studio.get(RUN + "?heard=hello&next=/wait+x").text
    assert HOSTILE not in studio.get(RUN, params={"next": HOSTILE}).text


def test_only_dialogues_of_the_folder_are_listed_and_opened(root: Path, studio: Client, tmp_path: Path) -> None:
    (root / "rules.toml").write_text('name = "x"\nstates = ["a"]\ninitial = "a"\nfallback = "stay"\nsteps = []\n')
    (root / "pipeline.toml").write_text('name = "x"\n')
    (tmp_path / "outside.toml").write_text(FLOW)
    listed = studio.get("/flow").text
    assert re.findall(r'href="/flow/edit/([^"]*)"', listed) == ["drill/flow.toml"]
    for path in ("../outside.toml", "none.toml", ".edgewright/x.toml", "drill/drill.index"):
        assert studio.get(f"/flow/edit/{path}").status_code == 404
    (root / "drill" / "flow.toml").write_text(FLOW.replace("drill.index", "../../outside.index"))
    manual_index(tmp_path)
    (tmp_path / "drill.index").rename(tmp_path / "outside.index")
    outside = studio.get(RUN + "?next=hello")
    assert outside.status_code == 400
    assert "in the studio&#39;s folder" in outside.text


def test_a_new_flow_can_be_held_at_once(root: Path, studio: Client) -> None:
    assert studio.post("/flow", data={"name": "mine"}).headers["location"] == "/flow/edit/mine.toml"
    assert read_dialogue(root / "mine.toml")[1].states == 2
    assert "exists already" in studio.post("/flow", data={"name": "mine"}).text
    assert "Expected a name" in studio.post("/flow", data={"name": "../x"}).text
    assert sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) == ["drill", "mine.toml"]


def test_a_document_is_edited_in_every_form_of_toml() -> None:
    inline = FlowDocument(
        'name="a"\nstates=["x"]\ninitial="x"\nsteps=[{state="x",event="*",actions=[{say="a"}]}]\n', "f"
    )
    inline.add_state("y")
    inline.connect("x", "y", "", ())
    inline.remove_step(0)
    assert [step.event for step in inline.table().steps] == ["*", "event_1"]
    document = FlowDocument(FLOW, "f")
    assert document.connect("idle", "look_up", "", ("ask", "thanks")) == 3
    assert document.table().steps[3].event == "ask"
    document.rename_state("look_up", "search")
    assert document.table().retrieve.keys() == {"search"}
    document.set_retrieval("search", "drill.index", "5", "0.7")
    assert document.table().retrieve["search"].minimum == 0.7
    document.set_state("idle", first=True, final=True)
    assert document.table().final == ("idle",)
    document.set_state("idle", first=True, final=False)
    document.remove_state("search")
    assert document.table().steps == ()
    assert document.table().retrieve == {}
    with pytest.raises(UnknownNameError, match="no state 'z'"):
        document.connect("z", "idle", "", ())
    with pytest.raises(StateTableError, match="a number, got 'many'"):
        FlowDocument(FLOW, "f").set_retrieval("look_up", "x", "many", "")


@pytest.mark.parametrize(
    "text", ["plain", "two\nlines", "a \\n that is written", " spaces ", "{slot} # 'quoted' \"twice\""]
)
def test_what_is_said_survives_its_form(text: str) -> None:
    document = FlowDocument(FLOW, "f")
    values = {"state": "idle", "event": "*", "when": "", "to": "look_up", "after": ""}
    document.change_step(0, {**values, "actions": actions_text((Action(say=text), Action(forget="x")))})
    assert document.table().steps[0].actions == (Action(say=text), Action(forget="x"))
