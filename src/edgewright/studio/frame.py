"""What every page shares: the studio's parts, its templates and filters, forms, and pages that say what went wrong."""

from __future__ import annotations

import inspect
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from edgewright.core.errors import EdgewrightError
from edgewright.core.formatting import (
    amount,
    bytes_text,
    duration_text,
    elapsed_text,
    number,
    percent,
    plural,
    seconds_text,
)
from edgewright.core.records.trace import Trace
from edgewright.studio.access import require_role, user_of
from edgewright.studio.authentication import Role
from edgewright.studio.jobs import Jobs, Runs
from edgewright.studio.local_server import TooLargeError
from edgewright.studio.paths import RECORD, run_folder
from edgewright.studio.recordings import offered_recordings
from edgewright.trace.page_model import read_trace
from edgewright.trace.sentences.readiness import state_of

HERE = Path(str(resources.files("edgewright.studio")))
# A form of the pipeline's settings has about a hundred fields.
MOST_FIELDS = 2000
Endpoint = Callable[[Request], Awaitable[Response]]
Reader = Callable[[Request], Response] | Endpoint
Taker = Callable[[Request, FormData], Response] | Endpoint


@dataclass(frozen=True)
class Page:
    """The one object `PAGE` of a page's file.

    Attributes:
        answers: what answers a reader of each address, and what takes a form there; they find the studio's folder and
            shared parts in `request.app.state`. Where one is asynchronous it is an endpoint already.
        tab: word in the navigation; empty for pages that are reached from others.
        rank: place in the navigation and before which pages its routes are tried.
        address: where the tab leads.
        also: beginnings of further addresses on which the tab is the current one.
        role: role that its forms need; reading needs `view`.
    """

    answers: Mapping[str, tuple[Reader | None] | tuple[Reader | None, Taker]]
    tab: str = ""
    rank: int = 50
    address: str = ""
    also: tuple[str, ...] = ()
    role: Role = "release"

    @property
    def routes(self) -> list[Route]:
        """Routes of the addresses, in their order."""
        kinds: tuple[tuple[str, Callable[..., Endpoint]], ...] = (("GET", page_of), ("POST", form_of))
        return [
            Route(
                path,
                require_role(
                    "view" if method == "GET" else self.role,
                    answer if inspect.iscoroutinefunction(answer) else endpoint_of(answer),
                ),
                methods=[method],
            )
            for path, answers in self.answers.items()
            for answer, (method, endpoint_of) in zip(answers, kinds, strict=False)
            if answer is not None
        ]

    def is_current(self, path: str) -> bool:
        """Return whether the tab is the current one at a path."""
        begins = self.also if self.address == "/" else (self.address, *self.also)
        return path in (self.address, *begins) or path.startswith(tuple(f"{begin}/" for begin in begins))


@dataclass
class Studio:
    """What pages find in `request.app.state.studio`.

    Attributes:
        folder: of runs, absolute; nothing outside it is served.
        port: that the studio listens at.
        tabs: pages in the order of the navigation.
        runs: lines of the list, kept between requests.
        jobs: runs that the studio started.
        stopping: set when the studio ends; what streams looks at it.
        shared: what further pages keep between requests, by their own name.
        fleet: folder of the fleet that its pages show; None where nobody named one.
    """

    folder: Path
    port: int
    tabs: Sequence[Page]
    runs: Runs
    jobs: Jobs
    templates: Environment
    stopping: bool = False
    shared: dict[str, object] = field(default_factory=dict)
    fleet: Path | None = None


def studio_of(request: Request) -> Studio:
    """Return the studio that a request came to."""
    return cast(Studio, request.app.state.studio)


def environment() -> Environment:
    """Templates of the frame and of the pages; everything from data is escaped, and what is not given is an error."""
    templates = Environment(
        loader=FileSystemLoader([HERE / "pages", HERE / "templates"]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False,
    )  # fmt: skip
    templates.filters.update(
        path=quoted, percent=percent, figure=number, unit=lambda value, unit: amount(value, unit.replace("uJ", "µJ")),
        bytes=bytes_text, seconds=seconds_text, count=lambda value, singular, many="": plural(value, singular, many),
        when=when_text, after_state=_after_state, change=_change,
        ago=lambda seconds: f"{elapsed_text(time.time() - seconds)} ago", lasts=elapsed_text, duration=duration_text,
        utc=utc_text, clock=lambda seconds: when_text(utc_text(seconds)),
    )  # fmt: skip
    return templates


def quoted(text: str) -> str:
    """Return a path as a part of an address."""
    return quote(text, safe="/")


def when_text(started: str) -> str:
    """'2026-11-20T12:31:28Z' as '20 Nov 12:31' in this machine's time, with the year where it is another."""
    try:
        when = datetime.strptime(started, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).astimezone()
    except ValueError:
        return started
    now = datetime.now(UTC).astimezone()
    return f"{when:%-d %b %H:%M}" if when.year == now.year else f"{when:%-d %b %Y}"


def _after_state(verdict: str) -> str:
    """Return a verdict without the words that the list shows as a mark."""
    _, colon, rest = verdict.partition(": ")
    return rest if colon and state_of(verdict) else verdict


def _change(drop: float) -> str:
    """Return a loss of accuracy as the list shows it: '-0.3 points', 'no change'."""
    points = round(-100 * drop, 1)
    return f"{points:+.1f} points" if points else "no change"


def utc_text(seconds: float) -> str:
    """Return a moment (seconds since 1970) as '2026-11-20T12:31:28Z', for machines and for who points at it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    **context: Any,  # noqa: ANN401 - of any template
) -> Response:
    """Return a page in the studio's frame.

    Args:
        request: that is answered; the tab whose address its path begins with is marked as the current one.
        template: file name.
        status: of the answer.
        context: what the template needs; `title` is needed by all.
    """
    studio = studio_of(request)
    came_from = request.headers.get("referer", "").removeprefix(str(request.base_url).rstrip("/"))
    text = studio.templates.get_template(template).render(
        tabs=[page for page in studio.tabs if page.tab], here=request.url.path, folder=str(studio.folder),
        user=user_of(request),
        kept_recordings=offered_recordings(studio.folder, came_from), **context,
    )  # fmt: skip
    return HTMLResponse(text, status)


def fragment(request: Request, template: str, **context: Any) -> str:  # noqa: ANN401 - of any template
    """Return a part of a page, for what is live."""
    return studio_of(request).templates.get_template(template).render(**context)


def run_of(request: Request) -> tuple[str, Path, Trace]:
    """Return the run that the address names by `{run:path}`: its place, folder and record.

    Raises:
        HTTPException: 404 where there is none.
        InputError: a record that cannot be read.
    """
    location = str(request.path_params["run"])
    folder = run_folder(studio_of(request).folder, location)
    return location, folder, read_trace(folder / RECORD)


def page_of(answer: Callable[[Request], Response]) -> Endpoint:
    """Return an endpoint for a function that reads files or computes: it runs beside the event loop."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return endpoint


def form_of(answer: Callable[[Request, FormData], Response]) -> Endpoint:
    """Return an endpoint for a function that takes a form; its files are open until the function has ended."""

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=200, max_fields=MOST_FIELDS, max_part_size=4_194_304) as form:
            return await run_in_threadpool(answer, request, form)

    return endpoint


def text_of(form: FormData, name: str) -> str:
    """Return a field as text; empty where it is absent or a file."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def failed(request: Request, error: Exception) -> Response:
    """Return the page of a wrong address, of a user's mistake, or of a defect of ours, whose traceback is printed."""
    if isinstance(error, HTTPException):
        # An address without a route has the standard phrase, which the title says already.
        text = error.detail if error.detail not in ("", "Not Found") else "The studio has no page at this address."
        status, titles = (
            error.status_code,
            {403: "Not allowed", 404: "Not found", 405: "Method not allowed", 409: "Conflict"},
        )
        title = titles.get(status, "No")
    elif isinstance(error, EdgewrightError):
        status, title, text = 413 if isinstance(error, TooLargeError) else 400, "Request failed", error_text(error)
    else:
        traceback.print_exception(error, file=sys.stderr)
        status, title = 500, "Internal error"
        text = f"The studio failed ({type(error).__name__}); the terminal that runs it has the traceback."
    return render(request, "error.html", status=status, title=title, message=text)


def error_text(error: Exception) -> str:
    """Return an error as a line of a page."""
    text = " ".join(str(error).split())
    return text[:1].upper() + text[1:] if isinstance(error, EdgewrightError) else text
