"""The quiz of a run: answered by form, scored, each answer with its reason."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.studio.frame import page_of, render, run_of
from edgewright.studio.pages import Page
from edgewright.trace.questions import quiz


def _answer(request: Request) -> Response:
    """Answers stand in the address, `?q1=2`, so that a quiz can be gone back to; nothing is kept."""
    place, _, trace = run_of(request)
    questions = quiz(trace)
    answers: dict[int, int] = {}
    for number, question in enumerate(questions, start=1):
        said = request.query_params.get(f"q{number}", "")
        if said.isdecimal() and len(said) < 3 and 1 <= int(said) <= len(question.options):
            answers[number] = int(said)
    right = sum(questions[number - 1].options[option - 1].right for number, option in answers.items())
    return render(
        request, "quiz.html", title=f"Quiz: {trace.name}", place=place, name=trace.name, questions=questions,
        answers=answers, right=right,
    )  # fmt: skip


PAGE = Page(routes=(Route("/quiz/{run:path}", page_of(_answer), methods=["GET"]),), rank=92)
