"""Tables that cannot be run are refused, each mistake by its name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edgewright.core.errors import InputError, UnknownNameError, UnreadableFileError
from edgewright.core.state_machine.table import CheckedTable, StateTable, check_names, check_table, read_table
from edgewright.core.toml_tables import convert_table
from support import ROOT

HEAD = 'name = "door"\nstates = ["open", "shut"]\ninitial = "shut"\nfallback = "stay"\n'
GOES = '[[steps]]\nstate = "shut"\nevent = "push"\nto = "open"\n'
COMES = '[[steps]]\nstate = "open"\nevent = "timeout"\nafter = 5.0\nto = "shut"\n'


def checked(text: str) -> CheckedTable:
    return check_table(convert_table(tomllib.loads(text), StateTable, "door.toml"), "door.toml")


def test_a_table_is_sorted_by_state_and_event() -> None:
    table = checked(HEAD + GOES + COMES)
    assert table.events == {"push"}
    assert table.rows["shut", "push"][0].step.to == "open"
    assert table.timeouts["open"].step.after == 5.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + GOES.replace('to = "open"', 'to = "opne"') + COMES, "no state 'opne'. Known: open, shut. Did you mean"),
        (HEAD.replace('initial = "shut"', 'initial = "x"') + GOES + COMES, "door.toml initial"),
        (HEAD + GOES.replace('state = "shut"', 'state = ["shut", "y"]') + COMES, "steps[0].state"),
        (HEAD + COMES, "a way to state 'open', got none from 'shut'"),
        (HEAD + GOES, "a way out of state 'open', got none: a dead end"),
        (HEAD.replace('fallback = "stay"\n', "") + GOES + COMES, "a fallback in state 'open'"),
        (HEAD + 'final = ["open"]\n' + GOES + COMES, "no way out of the final state 'open'"),
        (HEAD + GOES + GOES + COMES, "steps[0], which has no guard, comes first"),
        (HEAD + GOES + COMES + COMES, "one time-out for state 'open', got two"),
        (HEAD + GOES + COMES.replace("after = 5.0\n", ""), "`after` in a step of event 'timeout'"),
        (HEAD + GOES + "after = 1.0\n" + COMES, "`after` in a step of event 'timeout'"),
        (HEAD + GOES + COMES + 'when = "a > 1"\n', "a time-out without a guard"),
        (HEAD + 'safe = "shut"\n' + GOES + COMES, "`patience` beside `safe`"),
        (HEAD + "patience = 3.0\n" + GOES + COMES, "`safe` beside `patience`"),
        (HEAD + GOES + "actions = [{}]\n" + COMES, "one of alarm or event or command"),
        (HEAD + GOES + 'actions = [{ alarm = "a", event = "b" }]\n' + COMES, "got alarm, event"),
        (HEAD + GOES + 'when = "a >"\n' + COMES, "steps[0].when"),
        (HEAD + 'colour = "red"\n' + GOES + COMES, "no key 'colour'. Known: "),
        (HEAD.replace('"open", "shut"', '"open", "open", "shut"') + GOES + COMES, "every state once"),
        (HEAD + GOES + COMES + '[[steps]]\nstate = "*"\nevent = "late"\n', "event 'late' without a guard"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        checked(text)
    assert message in str(caught.value)
    assert "door.toml" in str(caught.value)


def test_a_fallback_may_belong_to_every_state() -> None:
    text = HEAD.replace('fallback = "stay"\n', "") + GOES + COMES + '[[steps]]\nstate = "*"\nevent = "*"\n'
    assert len(checked(text).rows["open", "*"]) == 1


def test_names_and_events_that_nobody_gives_are_refused() -> None:
    table = checked(HEAD + GOES + 'when = "presure > 3"\n' + COMES)
    with pytest.raises(
        UnknownNameError, match=r"no name for a guard 'presure'\. Known: pressure\. Did you mean 'pressure'"
    ):
        check_names(table, ["pressure"], ["push"], "door.toml")
    with pytest.raises(UnknownNameError, match="no event 'push'"):
        check_names(table, ["presure"], ["pull"], "door.toml")
    check_names(table, ["presure"], ["push"], "door.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"= 3", b"x = 1\n" * 400_000, b""])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "door.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"door\.toml"):
        read_table(path)
    with pytest.raises(UnreadableFileError, match="none"):
        read_table(tmp_path / "none.toml")


def test_the_example_of_the_documents_is_sound() -> None:
    table = read_table(ROOT / "docs" / "examples" / "press.toml")
    assert table.table.safe == "stopped"
    assert {"row", "decision", "late"} <= table.events
