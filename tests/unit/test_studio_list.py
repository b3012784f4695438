"""The list of runs: what it reads, sorts, filters and finds, and what it shows of records that are not whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgewright.pipeline.config import read_config
from edgewright.pipeline.run_folder.journal import Journalling
from edgewright.studio.jobs import Runs
from studio_example import HOSTILE, client, record
from trace_example import epochs, evaluation, trace


def places(page: str) -> list[str]:
    return re.findall(r'href="/page/([^"]+)"', page)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    whole = evaluation()
    for number in range(5):
        provenance = msgspec.structs.replace(trace().provenance, started=f"2026-01-0{number + 1}T10:00:00Z")
        assert whole.accuracy is not None
        accuracy = msgspec.structs.replace(whole.accuracy, value=0.5 + (number * 7 % 5) / 10)
        record(
            folder, f"run-{number}", provenance=provenance, title="walks" if number % 2 else "sits",
            evaluation=msgspec.structs.replace(whole, accuracy=accuracy),
            verdict="not ready: too large" if number == 3 else "ready: fits",
        )  # fmt: skip
    numbers = msgspec.structs.replace(whole, accuracy=None, regression={"r2": 0.93, "mae": 1.0})
    record(folder, "group/inner", task="regression", evaluation=numbers, compression=None, device=None)
    return folder


def test_a_line_has_what_the_record_says(runs: Path) -> None:
    by_place = {run.location: run for run in Runs(runs).finished()}
    assert set(by_place) == {*(f"run-{n}" for n in range(5)), "group/inner"}
    one = by_place["run-0"]
    assert (one.task, one.profile, one.int8, one.size) == ("classification", "phone-arm64", 0.8775, 31_400)
    assert (one.drop, one.readiness, by_place["run-3"].readiness) == (0.002, "ready", "not ready")
    inner = by_place["group/inner"]
    assert (inner.score, inner.int8, inner.size) == (0.93, None, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("task=classification", [f"run-{n}" for n in (4, 3, 2, 1, 0)]),
        ("sort=when&order=up", ["run-0", "run-1", "run-2", "run-3", "run-4", "group/inner"]),
        ("sort=accuracy", ["group/inner", "run-2", "run-4", "run-1", "run-3", "run-0"]),
        ("sort=accuracy&order=up", ["run-0", "run-3", "run-1", "run-4", "run-2", "group/inner"]),
        ("sort=name&order=up&task=classification", [f"run-{n}" for n in range(5)]),
        ("verdict=not+ready", ["run-3"]),
        ("task=regression", ["group/inner"]),
        ("q=SITS+run-2", ["run-2"]),
        ("q=nothing+like+this", []),
        ("state=failed", []),
    ],
)
def test_sorted_filtered_and_searched(runs: Path, query: str, expected: list[str]) -> None:
    assert places(client(runs).get(f"/?{query}").text) == expected


@pytest.mark.parametrize(
    "query", ["page=-1", "page=x", "page=99999999999999999999", "sort=none&order=no", "state=%00", "q=%ff"]
)
def test_a_wrong_address_shows_the_list(runs: Path, query: str) -> None:
    assert client(runs).get(f"/?{query}").status_code == 200


def test_headings_lead_to_the_other_order(runs: Path) -> None:
    page = client(runs).get("/?sort=accuracy&q=run").text
    assert 'aria-sort="descending"' in page
    assert 'href="/?q=run&amp;sort=accuracy&amp;order=up"' in page


def test_pages_of_fifty(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    content = msgspec.json.encode(trace())
    for number in range(120):
        (folder / f"r{number:03}").mkdir(parents=True)
        (folder / f"r{number:03}" / "trace.json").write_bytes(content)
    studio = client(folder)
    counts = [len(places(studio.get(f"/?page={page}").text)) for page in (1, 2, 3, 9)]
    assert counts == [50, 50, 20, 20]
    assert "Page 2 of 3" in studio.get("/?page=2").text


def test_a_record_is_read_again_when_it_changes(runs: Path) -> None:
    index = Runs(runs)
    before = index.finished()
    assert index.finished()[0] is before[0]
    path = runs / "run-1" / "trace.json"
    path.write_bytes(path.read_bytes().replace(b'"walks"', b'"strolls"'))
    assert [run.title for run in index.finished() if run.location == "run-1"] == ["strolls"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"version": 99, "name": "x"}', "got version 99. Update edgewright"),
        (b"{", "no whole record"),
        (b"", "no whole record"),
        (b"\xff\xfe", "no whole record"),
        (b'{"version": 1}', "no whole record"),
    ],
)
def test_a_record_that_cannot_be_read_is_a_line_that_says_so(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "trace.json").write_bytes(content)
    (one,) = Runs(tmp_path).finished()
    assert message in one.unreadable
    assert message in client(tmp_path).get("/").text
    assert client(tmp_path).get("/page/odd").status_code == 400


def test_a_record_of_version_1_is_listed(tmp_path: Path) -> None:
    record(tmp_path, "old", version=1)
    (one,) = Runs(tmp_path).finished()
    assert (one.unreadable, one.name) == ("", "old")


def test_runs_that_broke_off_stand_on_top(runs: Path) -> None:
    for name, state in (("stopped", "cancelled"), ("broken", "failed"), ("going", "")):
        listener = Journalling(runs, read_config("activity", (f"name={name}",)))
        listener.start(name, "", "")
        listener.training_started(30, 3)
        for epoch in epochs(4):
            listener.epoch(epoch)
        if state:
            listener.end(state, "for a reason")  # type: ignore[arg-type]
        else:
            going = listener
    studio = client(runs)
    page = studio.get("/").text
    assert re.findall(r'class="state (\w+)"', page)[:3][0] == "running"
    assert page.index("stopped") < page.index("run-4")
    assert "4 of 30" in page
    assert [path.split("-")[0] for path in re.findall(r'href="/live/([^"]+)"', studio.get("/?state=failed").text)] == [
        "broken"
    ]
    live = re.findall(r'href="/live/([^"]+)"', studio.get("/?state=cancelled").text)[0]
    shown = studio.get(f"/live/{live}").text
    assert "Cancelled after epoch 4" in shown
    assert "EventSource" not in shown
    assert shown.count("<polyline") == 4
    assert "data-live" not in shown
    going.end("cancelled", "")


def test_names_from_data_are_escaped_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    name = HOSTILE.replace("/", "")
    record(folder, name, title=HOSTILE, verdict=f"ready: {HOSTILE}", task=HOSTILE)
    listener = Journalling(folder, read_config("activity"))
    listener.start("activity", HOSTILE, HOSTILE)
    listener.end("failed", HOSTILE)
    studio = client(folder)
    (run,) = places(studio.get("/").text)
    (live,) = re.findall(r'href="/live/([^"]+)"', studio.get("/").text)
    addresses = ["/", f"/?q={HOSTILE}", f"/compare?run={run}&run={HOSTILE}", f"/live/{live}", f"/nothing/{HOSTILE}"]
    addresses += [f"/{page}/{run}" for page in ("page", "predict", "export")]
    for address in addresses:
        text = studio.get(address).text
        assert "<img" not in text, address
        assert "Edgewright" in text, address


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    assert "No runs yet" in client(tmp_path / "none").get("/").text


@pytest.mark.slow
def test_the_server_starts_without_the_libraries_of_training() -> None:
    """They take over a second; the first request that needs them loads them."""
    code = "import sys, edgewright.studio.server, edgewright.studio.pages as p; p.pages(); print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
