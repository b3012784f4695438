"""The form of a pipeline's settings: made from the schema, checked as the command checks, written as TOML."""

from __future__ import annotations

import html
import json
import math
import re
import time
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.pipeline.config import parse, shipped, source_text
from edgewright.pipeline.toml_text import toml_text
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError
from edgewright.studio.jobs import AT_ONCE, MOST_WAITING, Jobs
from edgewright.studio.settings import form, read
from edgewright.trace.journal import FOLDER
from studio_example import HOSTILE, Client, client, record

Table = dict[str, Any]
_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.dictionaries(st.text(), _VALUES, max_size=5))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(table: Table) -> None:
    assert tomllib.loads(toml_text(table)) == table


def test_numbers_that_are_none_are_written_as_toml_has_them() -> None:
    assert math.isnan(tomllib.loads(toml_text({"a": float("nan")}))["a"])
    assert toml_text({"a": None, "b": {"c": None}}).strip() == ""


def table_of(name: str) -> Table:
    return tomllib.loads(source_text(name)[0])


def controls(groups: Any) -> dict[str, str]:  # noqa: ANN401 - groups or settings
    return {f.name: f.value for group in groups for f in group.fields if f.kind != "flag" or f.value}


@pytest.mark.parametrize("name", shipped())
def test_a_form_that_nobody_changed_is_the_pipeline_itself(name: str) -> None:
    table = table_of(name)
    record = controls(form(table))
    settings = read(table, record.get, f"{name}.toml")
    assert settings.errors == {}
    assert settings.table == table
    assert settings.config == parse(source_text(name)[0], name)
    assert parse(toml_text(settings.table), name) == settings.config


def test_every_key_of_the_schema_has_a_field_with_its_meaning() -> None:
    fields = {f.key: f for group in form(table_of("activity")) for f in group.fields}
    for key in ("seed", "split.by", "training.epochs", "compression.max_drop", "device.profile", "window.samples"):
        assert fields[key].meaning, key
    assert fields["training.epochs"].hint == "whole number, above 0; default 20"
    assert fields["split.by"].choices == ("auto", "group", "row", "session", "time")
    assert "phone-arm64" in fields["device.profile"].choices
    assert "adam" in fields["training.optimiser"].choices
    assert {"csv", "wearable", "hapt"} <= set(fields["data.kind"].choices)
    for info in msgspec.structs.fields(PipelineConfig):
        assert info.name in ("cards", "search") or any(
            key == info.name or key.startswith(f"{info.name}.") for key in fields
        )


def test_changes_reach_the_table() -> None:
    table = table_of("activity")
    record = controls(form(table)) | {
        "training-epochs": "3", "name": "mine", "window-samples": "20", "data-kind": "csv", "data-path": "rows.csv",
        "data-more": '{ target = "label" }', "stages": '[{ kind = "impute" }]',
    }  # fmt: skip
    del record["compression-int8"]
    settings = read(table, record.get, "activity.toml")
    assert settings.config is not None
    assert (settings.config.name, settings.config.training.epochs, settings.config.compression.int8) == (
        "mine",
        3,
        False,
    )
    assert settings.config.window is not None
    assert settings.config.data == {"kind": "csv", "path": "rows.csv", "target": "label"}
    assert settings.config.stages == ({"kind": "impute"},)
    assert parse(toml_text(settings.table), "x") == settings.config


def test_every_mistake_stands_beside_its_field_and_input_is_kept() -> None:
    table = table_of("activity")
    record = controls(form(table)) | {
        "name": "a b", "seed": "-1", "training-epochs": "many", "split-test": "2", "split-by": "moon",
        "stages": "[{ kind = ", "data-kind": "", "training-batch": "",
    }  # fmt: skip
    settings = read(table, record.get, "activity.toml")
    assert settings.config is None
    fields = {f.key: f for group in settings.groups for f in group.fields}
    wrong = {key: f.error for key, f in fields.items() if f.error}
    assert set(wrong) == {"name", "seed", "training.epochs", "split.test", "split.by", "stages"}
    assert wrong["training.epochs"] == "Expected a whole number, got 'many' - at activity.toml training.epochs"
    assert "Known: auto, group" in wrong["split.by"]
    assert wrong["stages"].startswith("Expected valid TOML, got ")
    assert (fields["training.epochs"].value, fields["name"].value) == ("many", "a b")


def filled(studio: Client, address: str) -> dict[str, str]:
    """Return what a browser would send for the form as it stands."""
    text = studio.get(address).text
    made = dict(re.findall(r'<input type="hidden" name="(source)" value="([^"]*)"', text))
    for tag in re.findall(r"<input [^>]*>", text):
        name, value = re.search(r' name="([^"]+)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and value and ("checkbox" not in tag or " checked" in tag):
            made[name[1]] = html.unescape(value[1])
    for name, value in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>\n(.*?)</textarea>', text, re.DOTALL):
        made[name] = html.unescape(value)
    for name, inside in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        chosen = re.search(r"<option selected>([^<]*)", inside) or re.search(r"<option>([^<]*)", inside)
        if chosen and name != "pipeline":
            made[name] = html.unescape(chosen[1])
    return made


def test_a_wrong_form_starts_nothing(tmp_path: Path) -> None:
    studio = client(tmp_path)
    record = filled(studio, "/start?pipeline=latency") | {"training-epochs": HOSTILE}
    answer = studio.post("/start", data=record)
    assert answer.status_code == 400
    assert "Nothing was started" in answer.text
    assert "<img" not in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert studio.app.state.studio.jobs.started == {}
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.slow
def test_a_run_is_started_watched_and_found(tmp_path: Path, small: Path) -> None:
    runs = tmp_path / "runs"
    studio = client(runs)
    brought = studio.post("/bring", files={"file": ("my pipe.toml", small.read_bytes())})
    assert brought.status_code == 303
    assert re.fullmatch(r"/start\?pipeline=pipelines/my-pipe-[0-9a-f]{8}\.toml", brought.headers["location"])
    record = filled(studio, brought.headers["location"])
    assert record["data-kind"] == "csv"
    address = studio.post("/start", data=record | {"name": "mine"}).headers["location"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = studio.get(address)
        location = answer.headers.get("location", address)
        if location.startswith("/page/"):
            break
        address = location if location.startswith("/live/") else address
        time.sleep(0.1)
    assert location == "/page/mine"
    assert "mine" in studio.get(location).text
    again = filled(studio, "/start?like=mine")
    assert (again["name"], again["data-kind"]) == ("mine", "csv")
    refused = studio.post("/start", data=again | {"data-path": "nowhere.csv", "training-epochs": "1"})
    address = refused.headers["location"]
    while "location" not in (answer := studio.get(address)).headers and "Starting" in answer.text:
        time.sleep(0.1)
    if "location" in answer.headers:
        answer = studio.get(answer.headers["location"])
    while "no such file" not in answer.text and time.monotonic() < deadline:
        time.sleep(0.1)
        answer = studio.get(str(answer.request.url.path))
    assert "nowhere.csv" in answer.text
    studio.app.state.studio.jobs.stop()


@pytest.mark.slow
def test_the_third_run_waits_and_begins_when_one_ends_and_all_end_with_the_studio(tmp_path: Path, small: Path) -> None:
    studio = client(tmp_path / "runs")
    name = studio.post("/bring", files={"file": ("long.toml", small.read_bytes())}).headers["location"]
    record = filled(studio, name) | {"training-epochs": "100000"}
    jobs = studio.app.state.studio.jobs
    try:
        first, second, third, fourth = (
            studio.post("/start", data=record | {"name": f"run-{i}"}).headers["location"] for i in range(4)
        )
        for address, place in ((third, 1), (fourth, 2)):
            assert f"Number {place} in the queue" in studio.get(address).text
        assert all("in the queue" not in studio.get(address).text for address in (first, second))
        assert re.findall(r">(run-.)</a>", studio.get("/").text.partition('id="waiting"')[2]) == ["run-2", "run-3"]
        numbers = [int(address.rpartition("/")[2]) for address in (first, second, third, fourth)]
        assert studio.post("/dequeue", data={"job": str(numbers[2])}).headers["location"] == "/"
        assert "Number 1 in the queue" in studio.get(fourth).text
        jobs.started[numbers[0]].process.kill()
        deadline = time.monotonic() + 60
        while jobs.position(numbers[3]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert jobs.started[numbers[3]].process is not None
        assert studio.post("/dequeue", data={"job": str(numbers[3])}).headers["location"] == fourth
        last = studio.post("/start", data=record | {"name": "last"}).headers["location"]
        assert "Number 1 in the queue" in studio.get(last).text
    finally:
        jobs.stop()
    assert not any(job.is_going for job in jobs.started.values())
    later = client(tmp_path / "runs")
    assert "the studio ended before it began" in later.get("/").text
    (left,) = later.app.state.studio.jobs.left
    assert 'value="100000"' in later.get(left.back).text
    later.post("/dequeue", data={"left": "0"})
    assert client(tmp_path / "runs").app.state.studio.jobs.left == []


def test_a_queue_that_is_full_refuses_and_a_foreign_file_begins_nothing(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    foreign = [{"name": HOSTILE, "back": "https://example.org/"}, {"name": HOSTILE, "back": "/new/data/x.csv"}]
    (tmp_path / FOLDER / "waiting.json").write_text(json.dumps(foreign))
    studio = client(tmp_path)
    text = studio.get("/").text
    assert "example.org" not in text
    assert "<img" not in text
    assert 'href="/new/data/x.csv"' in text
    jobs = Jobs(tmp_path, lambda: AT_ONCE)
    try:
        numbers = [jobs.start(["--", "activity"], "a", "/new/a.csv") for _ in range(MOST_WAITING)]
        assert [jobs.position(number) for number in numbers] == list(range(1, MOST_WAITING + 1))
        with pytest.raises(InputError, match=f"at most {MOST_WAITING} waiting runs"):
            jobs.start(["--", "activity"], "a", "/new/a.csv")
    finally:
        jobs.stop()
    assert all(job.process is None for job in jobs.started.values())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.toml", b"name = ", "expected valid TOML"),
        ("a.toml", b"\xff", "expected valid TOML"),
        ("a.toml", b"#" * 300_000, "at most 256 kB"),
        ("", b"", "a TOML file"),
    ],
)
def test_a_file_that_is_no_pipeline_is_not_kept(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    studio = client(tmp_path)
    answer = studio.post("/bring", files={"file": (name, content)})
    assert answer.status_code == 400
    assert said.lower() in answer.text.lower()
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize("place", ["../x", "pipelines/../../x.toml", "/etc/passwd", "none.toml", "%00"])
def test_pipelines_of_the_folder_only(tmp_path: Path, place: str) -> None:
    record(tmp_path, "run")
    studio = client(tmp_path)
    for key in ("pipeline", "like", "again"):
        assert studio.get(f"/start?{key}={place}").status_code == 404


def test_a_run_of_an_older_record_says_why_it_cannot_be_run_again(tmp_path: Path) -> None:
    record(tmp_path, "old", config={})
    answer = client(tmp_path).get("/start?like=old")
    assert answer.status_code == 400
    assert "a record of an older version" in answer.text


def test_cancelling_what_is_over_or_not_there(tmp_path: Path) -> None:
    for run in ("none", "../x", "", "a/b"):
        assert client(tmp_path).post("/cancel", data={"run": run}).status_code == 404
