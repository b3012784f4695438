"""The list of runs: those that go on first, all others sorted, filtered and searched through the address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from edgewright.studio.frame import Page, render, studio_of
from edgewright.studio.jobs import Summary
from edgewright.studio.local_server import Request, Response
from edgewright.studio.pages.guided import form_parts
from edgewright.trace.sentences.readiness import STATES as READINESS

A_PAGE = 50
VERDICTS = READINESS[::-1]
# Column in the address -> what it is sorted by; a run that lacks the value comes last either way.
KEYS: dict[str, Callable[[Summary], Any]] = {
    "name": lambda run: run.location.lower(),
    "when": lambda run: run.started or None,
    "task": lambda run: run.task or None,
    "accuracy": lambda run: run.score,
    "int8": lambda run: run.int8,
    "size": lambda run: run.size,
    "verdict": lambda run: None if not run.readiness else -VERDICTS.index(run.readiness),
}
COLUMNS = (
    ("name", "Run", ""), ("when", "When", ""), ("task", "Task", ""), ("accuracy", "Accuracy", "num"),
    ("int8", "int8", "num"), ("size", "Size", "num"), ("verdict", "Verdict", ""),
)  # fmt: skip
STATES = ("running", "finished", "cancelled", "failed")


@dataclass(frozen=True)
class View:
    """What the address asks for.

    Attributes:
        text: looked for in name, title, place, device and verdict.
        state, task, verdict: as chosen; empty for all.
        sort: a key of `KEYS`; `down` is the largest first.
        page: from 1.
    """

    text: str = ""
    state: str = ""
    task: str = ""
    verdict: str = ""
    sort: str = "when"
    down: bool = True
    page: int = 1

    def address(self, **changes: object) -> str:
        """Return the list's address with something changed; what is as usual is left out."""
        values = {**vars(self), **changes}
        record = {
            "q": values["text"], "state": values["state"], "task": values["task"], "verdict": values["verdict"],
            "sort": "" if values["sort"] == "when" else values["sort"], "order": "" if values["down"] else "up",
            "page": "" if values["page"] == 1 else values["page"],
        }  # fmt: skip
        query = urlencode({key: value for key, value in record.items() if value})
        return f"/?{query}" if query else "/"

    def sorted_by(self, column: str) -> str:
        """Return the address of a column's heading: the other way round where it is sorted by it already."""
        down = not self.down if column == self.sort else column in ("when", "accuracy", "int8")
        return self.address(sort=column, down=down, page=1)


def view_of(request: Request) -> View:
    """Return what an address asks for; what it says wrongly counts as unsaid."""
    query = request.query_params
    page, sort = query.get("page", "1"), query.get("sort", "when")
    return View(
        text=query.get("q", "").strip()[:200],
        state=query.get("state", "") if query.get("state") in STATES else "",
        task=query.get("task", "")[:40],
        verdict=query.get("verdict", "") if query.get("verdict") in VERDICTS else "",
        sort=sort if sort in KEYS else "when",
        down=query.get("order", "down") != "up",
        page=min(int(page), 10**6) if page.isdecimal() and len(page) < 9 and int(page) > 0 else 1,
    )


def chosen(runs: Sequence[Summary], view: View) -> list[Summary]:
    """Return the finished runs that a view shows, in its order."""
    if view.state not in ("", "finished"):
        return []
    words = view.text.lower().split()
    fitting = [
        run
        for run in runs
        if (not view.task or run.task == view.task)
        and view.verdict in ("", run.readiness)
        and _holds(words, run.name, run.title, run.location, run.profile, run.verdict)
    ]
    key = KEYS[view.sort]
    # By time within equal values, the latest first.
    fitting.sort(key=lambda run: (run.started, run.location), reverse=True)
    with_value = sorted((run for run in fitting if key(run) is not None), key=key, reverse=view.down)
    return with_value + [run for run in fitting if key(run) is None]


def _holds(words: Sequence[str], *texts: str) -> bool:
    whole = " ".join(texts).lower()
    return all(word in whole for word in words)


def _answer(request: Request) -> Response:
    view, studio = view_of(request), studio_of(request)
    everything = studio.runs.finished()
    fitting = chosen(everything, view)
    words = view.text.lower().split()
    going = [] if view.state == "finished" or view.verdict else [
        progress
        for progress in studio.runs.unfinished()
        if view.state in ("", progress.state) and not view.task
        and _holds(words, progress.opening.name, progress.opening.title)
    ]  # fmt: skip
    pages = max(1, -(-len(fitting) // A_PAGE))
    page = min(view.page, pages)
    return render(
        request, "runs.html", title="Runs", view=view, total=len(everything), fitting=len(fitting), going=going,
        runs=fitting[(page - 1) * A_PAGE : page * A_PAGE], page=page, pages=pages, columns=COLUMNS, states=STATES,
        verdicts=VERDICTS, tasks=sorted({run.task for run in everything if run.task}), waiting=studio.jobs.waiting(),
        left=tuple(studio.jobs.left), **form_parts(),
    )  # fmt: skip


PAGE = Page(
    {"/": (_answer,)}, tab="Runs", rank=10, address="/", also=("/page", "/predict", "/live-test", "/export", "/live")
)
