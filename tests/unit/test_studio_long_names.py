"""Names and paths of more letters than a file may have are refused in a sentence, wherever a page takes one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from edgewright.studio.pages import pages
from edgewright.trace.journal import journals
from studio_example import client, record
from trace_example import trace

LONG = "a" * 300
FILE = f"{'a' * 246}.csv"
"""As long as a file's name may be, so that what is named by it must be shortened."""
TALK = 'initial = "a"\nstates = ["a"]\n'
NAMED = f'name = "{LONG}"\n[data]\nkind = "synthetic"\n'
UPLOADED = {"file": (f"{LONG}.csv", b"a,b\n1,2\n")}
PIPELINE = 'name = "x"\n[data]\nkind = "csv"\npath = "{0}.csv"\n'


def _addresses() -> list[str]:
    """Return every address of the studio with a name, each with a long one, and those that read one from the query."""
    routes = [route for page in pages() for route in page.routes if isinstance(route, Route)]
    parts = {route.path for route in routes if "GET" in (route.methods or ()) and "{" in route.path}
    named = [re.sub(r"\{(\w+)(:\w+)?\}", lambda part: _part(*part.groups()), path) for path in sorted(parts)]
    queries = ("start?pipeline", "start?like", "start?again", "data?in", "compare?run")
    return [*named, *(f"/{query}={LONG}" for query in queries)]


def _part(name: str, kind: str | None) -> str:
    return {"kind": "at"}.get(name, "7" if kind == ":int" else LONG)


@pytest.mark.parametrize("address", _addresses())
def test_a_long_name_in_an_address_is_no_defect(tmp_path: Path, address: str) -> None:
    journals(tmp_path).mkdir(parents=True)
    assert client(tmp_path).get(address).status_code < 500


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("/cancel", {"data": {"run": LONG}}),
    ("/new", {"data": {"path": LONG}}),
    (f"/new/{FILE}", {"data": {"device": LONG, "target": LONG}}),
    ("/label", {"data": {"data": LONG, "classes": "a, b"}}),
    ("/label", {"data": {"data": FILE, "classes": "a, b"}}),
    ("/flow", {"data": {"name": LONG}}),
    ("/bring", {"files": {"file": (f"{LONG}.toml", b'name = "x"\n')}}),
    ("/bring", {"files": {"file": ("x.toml", PIPELINE.format(LONG).encode())}}),
    ("/start", {"data": {"source": "pipeline=activity", "text": PIPELINE.format(LONG), "do": "train"}}),
    ("/start", {"data": {"source": f"pipeline={LONG}", "text": 'name = "x"\n', "do": "train"}}),
    ("/start", {"data": {"source": "pipeline=activity", "text": NAMED, "do": "train"}}),
    ("/start", {"data": {"source": "pipeline=activity", "text": 'name = "x"\n', "do": "upload"}, "files": UPLOADED}),
    (f"/recording/{LONG}", {"content": b"\0\0"}),
    (f"/recording/{LONG}/end", {"data": {"do": "keep"}}),
    ("/flow/edit/talk.toml", {"data": {"do": "add", "new": LONG}}),
    ("/flow/edit/talk.toml", {"data": {"do": f"restore:{LONG}"}}),
    ("/flow/edit/talk.toml", {"data": {"do": "save", "draft": f'{TALK}model = "{LONG}"\n'}}),
    (f"/flow/edit/{'b' * 250}.toml", {"data": {"do": "save", "draft": TALK.replace("a", "b")}}),
    (f"/labels/at/{FILE}", {"data": {"do": f"restore:{LONG}"}}),
]  # fmt: skip


@pytest.mark.parametrize(("address", "sent"), FORMS)
def test_a_long_name_in_a_form_is_no_defect(tmp_path: Path, address: str, sent: dict[str, Any]) -> None:
    (tmp_path / FILE).write_text("x,label\n" + "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(40)))
    (tmp_path / "talk.toml").write_text(TALK)
    (tmp_path / f"{'b' * 250}.toml").write_text(TALK)
    journals(tmp_path).mkdir(parents=True)
    record(tmp_path, "one", config=trace().config)
    browser = client(tmp_path)
    try:
        assert browser.post(address, **sent).status_code < 500
    finally:
        browser.app.state.studio.jobs.stop()


def test_a_pipeline_that_names_a_long_path_opens(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PIPELINE.format(LONG))
    answer = client(tmp_path).get("/start?pipeline=mine.toml")
    assert answer.status_code < 500
