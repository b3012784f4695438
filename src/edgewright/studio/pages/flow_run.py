"""A saved flow, run step by step with every value that decided; the address holds the whole conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from edgewright.core.errors import EdgewrightError, InputError, StateTableError
from edgewright.core.state_machine.table import CheckedTable
from edgewright.language.dialogue.conversation import (
    Conversation,
    Turn,
    TurnStep,
    read_dialogue,
    seconds_of,
    turn_steps,
)
from edgewright.nlp.documents.search import Retriever
from edgewright.nlp.utterance.parse import Understanding
from edgewright.studio.frame import Page, error_text, render, studio_of
from edgewright.studio.local_server import Request, Response
from edgewright.studio.paths import below
from edgewright.studio.view.flow_view import flow_view, inside, model_in

# A conversation is held anew for every answer, and an address has bounds.
_MOST_LINES, _LONGEST = 20, 1000


@dataclass(frozen=True)
class _Talk:
    """A conversation up to its last line.

    Attributes:
        lines: who said what: 'heard' or 'said'.
        steps: of the last turn.
        state: where it is.
        over: whether it ended.
        problem: what is wrong with the last line.
    """

    lines: tuple[tuple[str, str], ...]
    steps: tuple[TurnStep, ...]
    state: str
    over: bool
    problem: str = ""


def _answer(request: Request) -> Response:
    root, location = studio_of(request).folder, str(request.path_params["place"])
    path = below(root, location)
    given = request.query_params
    lines = [line.strip()[:_LONGEST] for line in given.getlist("heard") if line.strip()][:_MOST_LINES]
    new = given.get("next", "").strip()[:_LONGEST]
    lines += [new] if new else []
    title = f"Run: {path.stem}"
    try:
        checked, _ = read_dialogue(path)
        talk = _conversation(checked, path, root, lines)
    except EdgewrightError as error:
        return render(
            request, "flow_run.html", status=400, title=title, location=location, talk=None, problem=error_text(error)
        )
    if talk.problem:
        lines.pop()
    chosen = given.get("at", "")
    at = min(int(chosen), len(talk.steps)) if chosen.isdecimal() and len(chosen) < 6 else len(talk.steps)
    shown = talk.steps[:at]
    state = shown[-1].state if shown else next((step.state for step in talk.steps), talk.state)
    passed = {(step.state, step.step) for step in shown if step.kind == "step"}

    # What is said comes with its step.
    waiting = sum(step.kind == "answer" for step in talk.steps[at:])

    def to(number: int) -> str:
        return f"?{urlencode([('heard', line) for line in lines] + [('at', str(number))])}"

    return render(
        request, "flow_run.html", title=title, location=location, talk=talk,
        lines=talk.lines[: len(talk.lines) - waiting], problem=talk.problem, sentences=lines, steps=shown,
        current=state, passed=passed, view=flow_view(checked.table, path, root), total=len(talk.steps), at=at,
        following=to(at + 1) if at < len(talk.steps) else "", former=to(at - 1) if at > 0 else "",
        whole=to(len(talk.steps)), full=len(lines) >= _MOST_LINES, model=checked.table.model,
        typed=new if talk.problem else "",
    )  # fmt: skip


def _conversation(checked: CheckedTable, path: Path, root: Path, spoken: Sequence[str]) -> _Talk:
    """Hold a conversation from its beginning.

    Raises:
        InputError: an index that is not in the studio's folder, or an earlier line that means nothing.
    """
    for retrieval in checked.table.retrieve.values():
        if inside(root, path, retrieval.index) is None:
            raise StateTableError(f"the index {retrieval.index} in the studio's folder", "none there", path.name,
                             f"Make it: edgewright language index DOCUMENT... --out {retrieval.index}")  # fmt: skip
    model = model_in(checked.table, path, root)
    understanding = Understanding.load(model) if model else None
    with Retriever(checked.table, path.parent) as look:
        conversation = Conversation(checked, look, understanding)
        greeting = conversation.talk.begin(0.0)
        lines = [("said", answer) for output in greeting for answer in output.answers]
        steps, now, problem = turn_steps(None, greeting), 0.0, ""
        for number, line in enumerate(spoken):
            try:
                now += seconds_of(line)
                turn = conversation.take(line, now)
            except InputError as error:
                if number < len(spoken) - 1:
                    raise
                problem = error_text(error)
                break
            lines += [("heard", line), *_spoken_lines(turn)]
            steps = turn_steps(turn.parsed, turn.outputs)
            if conversation.talk.over:
                break
        return _Talk(tuple(lines), steps, conversation.talk.machine.state, conversation.talk.over, problem)


def _spoken_lines(turn: Turn) -> list[tuple[str, str]]:
    return [
        ("said", text)
        for output in turn.outputs
        for text in (*(f"[{label}]" for label in output.does), *output.answers)
    ]


PAGE = Page({"/flow/run/{place:path}": (_answer,)}, rank=74)
