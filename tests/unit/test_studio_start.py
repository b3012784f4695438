"""A pipeline as blocks: fields made from the schema, its TOML, its previews and budget, and the run it becomes."""

from __future__ import annotations

import copy
import html
import json
import math
import re
import time
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import StudioRequestError
from edgewright.core.records.config import PipelineConfig
from edgewright.core.toml_tables import toml_text
from edgewright.pipeline.config import shipped, source_text
from edgewright.studio.jobs import AT_ONCE, MOST_WAITING, Jobs
from edgewright.studio.settings import Field
from edgewright.studio.settings import fields_of as settings_fields
from edgewright.studio.view.pipeline_blocks import groups_of, settings_of, stages_of, view_of
from edgewright.studio.view.pipeline_document import Previews, arranged, changed_text, set_value, value_at
from edgewright.trace.journal import FOLDER
from small_pipeline import rows, write_rows
from studio_example import HOSTILE, Client, client, record

Table = dict[str, Any]
_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.dictionaries(st.text(), _VALUES, max_size=5))
@settings(max_examples=200)
def test_what_is_written_is_read_back(table: Table) -> None:
    assert tomllib.loads(toml_text(table)) == table


def test_numbers_that_are_none_are_written_as_toml_has_them() -> None:
    assert math.isnan(tomllib.loads(toml_text({"a": float("nan")}))["a"])
    assert toml_text({"a": None, "b": {"c": None}}).strip() == ""


def table_of(name: str) -> Table:
    return tomllib.loads(source_text(name)[0])


@pytest.fixture(scope="module")
def previews() -> Previews:
    return Previews()


SIZES: Table = {"scaling": {"rows": [9], "architectures": {"small": [{"kind": "dense", "units": 4}]}}}


def fields_of(table: Table) -> dict[str, Field]:
    """Return the fields of all blocks by key, those of lists included."""
    blocks = ["data", "model", "device", *(f"stages.{i}" for i in range(len(stages_of(table))))]
    pending = [field for block in blocks for group in settings_of(table, block) for field in group.fields]
    fields = {}
    while pending:
        field = pending.pop()
        fields[field.key] = field
        pending += [inner for entry in field.entries for inner in entry.fields]
    return fields


@pytest.mark.parametrize("name", shipped())
def test_fields_that_nobody_changed_are_the_pipeline_itself(name: str) -> None:
    text, table = source_text(name)[0], table_of(name)
    for field in fields_of(table).values():
        written = value_at(table, field.key)
        if written is not None and field.kind != "tables":
            assert field.typed(field.chosen if field.kind == "set" else [field.value]) == written, field
    assert changed_text(text, table) == text


class Numbers(msgspec.Struct):
    """Numbers with limits of every kind, and the default as it stands.

    Attributes:
        two: up to two.
        twenty: up to twenty, above zero.
        hundred: up to a hundred.
        open: below one and above zero.
        whole: whole and above one.
        smallest: without a largest.
        free: without any.
    """

    two: Annotated[float, msgspec.Meta(ge=0.0, le=2.0)] = 1.25
    twenty: Annotated[float, msgspec.Meta(gt=0.0, le=20.0)] = 2.5
    hundred: Annotated[float, msgspec.Meta(ge=0.0, le=100.0)] = 7.0
    open: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.5
    whole: Annotated[int, msgspec.Meta(gt=1, lt=50)] = 3
    smallest: Annotated[float, msgspec.Meta(ge=3.0)] = 4.0
    free: float = 1.0


def test_a_number_between_limits_is_a_slider_whose_steps_grow_with_its_span() -> None:
    fields = settings_fields(Numbers, "", {})
    controls = {field.key: (field.kind, field.low, field.high, field.step) for field in fields}
    assert controls == {
        "two": ("range", 0, 2, "0.01"),
        "twenty": ("range", 0.1, 20, "0.1"),
        "hundred": ("range", 0, 100, "1"),
        "open": ("range", 0.01, 0.99, "0.01"),
        "whole": ("range", 2, 49, "1"),
        "smallest": ("number", 3, None, "any"),
        "free": ("number", None, None, "any"),
    }
    (between, *_) = settings_fields(Numbers, "", {"two": 0.125})
    assert (between.kind, between.step) == ("range", "any")


def test_every_key_of_the_schema_has_the_control_of_its_type() -> None:
    fields = fields_of({**table_of("demo"), "adapt": {"layer": "output"}, "training": {}, **SIZES})
    for info in msgspec.structs.fields(PipelineConfig):
        known = any(key == info.name or key.startswith(f"{info.name}.") for key in fields)
        assert info.name in ("cards", "search", "stages") or known, info.name
    kinds: dict[str, tuple[Any, ...]] = {key: (f.kind, f.low, f.high, f.step) for key, f in fields.items()}
    assert kinds["training.epochs"] == ("number", 1, None, "1")
    assert kinds["split.test"] == ("range", 0.01, 0.99, "0.01")
    assert kinds["device.confidence"] == ("range", 0, 1, "0.01")
    assert kinds["training.learning_rate"][0] == "number"
    assert kinds["compression.int8"][0] == "flag"
    assert kinds["split.test_groups"][0] == "words"
    assert fields["split.by"].choices == ("auto", "group", "row", "session", "time")
    assert "phone-arm64" in fields["device.profile"].choices
    assert "adam" in fields["training.optimiser"].choices
    assert {"csv", "wearable", "hapt"} <= set(fields["data.kind"].choices)
    features = fields["stages.0.parts.0.features"]
    assert (features.kind, "std" in features.choices, "std" in features.chosen) == ("set", True, True)
    assert [entry.kind for entry in fields["model.layers"].entries] == ["dense"]
    assert "conv1d" in fields["model.layers"].choices
    assert all(field.meaning for key, field in fields.items() if key.startswith(("training.", "split.", "device.")))


def test_a_change_keeps_the_comments_and_the_order_of_the_file() -> None:
    text, table = source_text("latency")[0], table_of("latency")
    set_value(table, "training.epochs", 3)
    set_value(table, "window.samples", 20)
    assert arranged(table, "insert:stages:1:pca") == "1"
    assert arranged(table, "move:stages:1:0") == "0"
    assert arranged(table, "remove:model.layers:0") == "0"
    changed = changed_text(text, table)
    assert tomllib.loads(changed) == table
    assert changed.startswith("# A faster answer")
    assert "# bytes and time of a model of 10 MB too" in changed
    assert [stage["kind"] for stage in table["stages"]] == ["pca", "scale", "select"]
    set_value(table, "window.samples", None)
    assert "window" not in table
    for action in (
        "insert:stages:9:pca",
        "insert:stages:0:none",
        "move:stages:0:7",
        "remove:stages:3",
        "remove:data:0",
    ):
        with pytest.raises(StudioRequestError):
            arranged(table, action)


def test_layers_that_no_file_says_are_written_out_when_one_changes() -> None:
    table: Table = {"name": "short", "data": {"kind": "machine"}}
    set_value(table, "model.layers.1.units", 8)
    assert [layer["units"] for layer in table["model"]["layers"]] == [64, 8]
    assert tomllib.loads(changed_text('name = "short"\n[data]\nkind = "machine"\n', table)) == table


def test_every_problem_stands_at_its_block_and_the_others_are_still_shown(previews: Previews) -> None:
    table = table_of("latency")
    table["stages"][1]["k"] = "many"
    table["training"]["epochs"] = -2
    table["device"]["profile"] = "abacus"
    table["split"]["test"] = 2
    view = view_of(table, "latency.toml", previews, -1)
    assert view.config is None
    problems = {problem.block: (problem.key, problem.text) for problem in view.problems}
    assert problems["stages.1"] == (
        "stages.1.k", "Expected a whole number, got 'many' - at latency.toml stages[1] (select) k",
    )  # fmt: skip
    assert problems["model"][0] == "training.epochs"
    assert problems["device"][0] == "device.profile"
    assert problems["data"][0] == "split.test"
    assert [bool(block.problem) for block in view.blocks] == [True, False, True, True, True]
    table["split"]["test"] = 0.2
    view = view_of(table, "latency.toml", previews, -1)
    assert [output.shape for output in view.preview.outputs] == [(10,), (10,)]
    (field,) = [f for group in groups_of(table, "stages.1", view) for f in group.fields if f.error]
    assert (field.key, field.value) == ("stages.1.k", "many")


def test_a_layer_that_does_not_fit_is_named(previews: Previews) -> None:
    table = table_of("latency")
    table["model"]["layers"].insert(1, {"kind": "lstm", "units": 4})
    view = view_of(table, "latency.toml", previews, -1)
    assert [(problem.block, problem.key) for problem in view.problems] == [("model", "model.layers.1")]
    (layers,) = [f for group in groups_of(table, "model", view) for f in group.fields if f.kind == "tables"][:1]
    assert ["windows" in entry.error for entry in layers.entries] == [False, True, False]
    table["stages"] = [{"kind": "mfcc"}]
    view = view_of(table, "latency.toml", previews, -1)
    assert [problem.block for problem in view.problems] == ["stages.0"]


@pytest.mark.parametrize("name", ["activity", "latency", "scalability"])
def test_the_budget_follows_the_model(name: str, previews: Previews) -> None:
    table = table_of(name)
    first = view_of(table, f"{name}.toml", previews, -1)
    assert first.problems == ()
    assert [row.name for row in first.preview.rows][1:] == ["RAM", "latency"]
    layers = value_at(table, "scaling.architectures.small" if name == "scalability" else "model.layers")
    layers[0]["units"] = 4
    second = view_of(table, f"{name}.toml", previews, -1)
    assert second.preview.parameters < first.preview.parameters
    assert second.preview.rows[0].used < first.preview.rows[0].used
    assert all(block.drawing for block in second.blocks)


@pytest.mark.parametrize(("kind", "figure"), [("forest", "nodes"), ("linear", "parameters"), ("tree", "nodes")])
def test_other_models_are_estimated_too(kind: str, figure: str, previews: Previews) -> None:
    table = table_of("latency") | {"model": {"kind": kind}}
    view = view_of(table, "latency.toml", previews, -1)
    assert view.problems == ()
    assert getattr(view.preview, figure) > 0
    assert view.preview.rows[0].used > 0


def test_a_change_is_previewed_in_300_milliseconds(previews: Previews) -> None:
    table = table_of("latency")
    view_of(table, "latency.toml", previews, -1)
    seconds = []
    for count in (3, 4, 6, 7, 8):
        table["stages"][1]["k"] = count
        started = time.process_time()
        view = view_of(table, "latency.toml", previews, -1)
        view.sides("stages.1")
        seconds.append(time.process_time() - started)
        assert view.preview.outputs[-1].shape == (count,)
    # It takes 60 ms of processor time, which other processes do not lengthen.
    assert min(seconds) < 0.3


def test_data_that_change_are_read_again(tmp_path: Path, previews: Previews) -> None:
    path = tmp_path / "rows.csv"
    table = {
        "name": "rows",
        "data": {"kind": "csv", "path": str(path), "target": "label"},
        "stages": [{"kind": "scale"}],
    }
    (problem,) = view_of(table, "rows.toml", previews, -1).problems
    assert (problem.block, "no such file" in problem.text) == ("data", True)
    for count in (120, 60):
        write_rows(path, rows(count=count))
        view = view_of(table, "rows.toml", previews, -1)
        assert [len(output.X) for output in view.preview.outputs] == [count, count]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["latency", "scalability"])
def test_no_table_breaks_the_page(name: str, previews: Previews) -> None:
    base = table_of(name)

    def paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - values of TOML
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path for key, below in inner for path in ((*above, key), *paths(below, (*above, key)))]

    for path in paths(base):
        odds: tuple[Any, ...] = (5, "x", [], {}, [1], [{"kind": "no"}])
        for odd in odds:
            table: Any = copy.deepcopy(base)
            location = table
            for key in path[:-1]:
                location = location[key]
            location[path[-1]] = odd
            view = view_of(table, f"{name}.toml", previews, -1)
            blocks = [block.key for block in view.blocks]
            assert all(problem.block in blocks for problem in view.problems)
            assert view.config is not None or view.problems
            for block in blocks:
                groups_of(table, block, view)
                view.sides(block)


def filled(studio: Client, address: str) -> dict[str, str]:
    """Return what a browser would send for the page as it stands, but for the fields of the block."""
    return sent(studio.get(address).text)


def sent(text: str) -> dict[str, str]:
    """Return the draft that a page holds."""
    names = ("source", "past", "future", "last", "selected", "tab", "shown")
    values = {name: html.unescape(re.findall(rf'name="{name}" value="([^"]*)"', text)[0]) for name in names}
    toml = re.search(r'<textarea name="text"[^>]*>\n(.*?)</textarea>', text, re.DOTALL)
    assert toml is not None
    return values | {"text": html.unescape(toml[1]), "shown": ""}


def with_key(record: dict[str, str], key: str, value: object) -> dict[str, str]:
    """Return a draft with another value in its TOML, and the button that trains."""
    table = tomllib.loads(record["text"])
    set_value(table, key, value)
    return record | {"text": changed_text(record["text"], table), "do": "train"}


def test_changes_are_taken_back_and_made_again(tmp_path: Path) -> None:
    studio = client(tmp_path)
    record = filled(studio, "/start?pipeline=latency")
    first = record["text"]

    def press(do: str, **fields: str) -> None:
        nonlocal record
        record = sent(studio.post("/start", data=record | fields | {"do": do}).text)

    press("insert:stages:1:pca")
    assert record["selected"] == "stages.1"
    for count in ("2", "3"):
        press("apply", **{"shown": "stages.1", "stages-1-components": count})
    assert "components = 3" in record["text"]
    assert len(json.loads(record["past"])) == 2
    press("undo")
    assert "components" not in record["text"]
    press("undo")
    assert record["text"] == first
    press("redo")
    assert 'kind = "pca"' in record["text"]
    press("tab:toml", draft=first.replace("epochs = 20", "epochs = 5"))
    assert "epochs = 5" in record["text"]
    answer = studio.post("/start", data=record | {"do": "apply", "draft": "name = "})
    assert "Expected valid TOML" in answer.text
    assert sent(answer.text)["text"] == record["text"]
    assert studio.post("/start", data=record | {"do": "remove:stages:9"}).status_code == 400
    assert studio.post("/start", data=record | {"do": "insert:name.x:0:dense"}).status_code == 400


def test_a_file_becomes_the_data_of_a_pipeline(tmp_path: Path) -> None:
    studio = client(tmp_path)
    record = filled(studio, "/start?pipeline=latency") | {"do": "upload"}
    content = write_rows(tmp_path / "mine.csv").read_bytes()
    answer = studio.post("/start", data=record, files={"file": ("mine.csv", content)})
    table = tomllib.loads(sent(answer.text)["text"])
    assert (table["data"]["kind"], table["data"]["target"]) == ("csv", "label")
    assert Path(table["data"]["path"]).read_bytes() == content
    assert studio.post("/start", data=record).status_code == 400


def test_a_wrong_form_starts_nothing(tmp_path: Path) -> None:
    studio = client(tmp_path)
    record = filled(studio, "/start?pipeline=latency&block=model")
    fields = {"shown": "model", "training-epochs": HOSTILE, "do": "train"}
    answer = studio.post("/start", data=record | fields)
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
    assert tomllib.loads(record["text"])["data"]["kind"] == "csv"
    address = studio.post("/start", data=with_key(record, "name", "mine")).headers["location"]
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
    assert tomllib.loads(again["text"])["name"] == "mine"
    refused = studio.post("/start", data=with_key(again, "data.path", "nowhere.csv"))
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
    record = with_key(filled(studio, name), "training.epochs", 100_000)
    jobs = studio.app.state.studio.jobs
    try:
        first, second, third, fourth = (
            studio.post("/start", data=with_key(record, "name", f"run-{i}")).headers["location"] for i in range(4)
        )
        for address, number in ((third, 1), (fourth, 2)):
            assert f"Number {number} in the queue" in studio.get(address).text
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
        last = studio.post("/start", data=with_key(record, "name", "last")).headers["location"]
        assert "Number 1 in the queue" in studio.get(last).text
    finally:
        jobs.stop()
    assert not any(job.is_going for job in jobs.started.values())
    later = client(tmp_path / "runs")
    assert "the studio ended before it began" in later.get("/").text
    (left,) = later.app.state.studio.jobs.left
    assert "epochs = 100000" in later.get(left.back).text
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
        with pytest.raises(StudioRequestError):
            jobs.start(["--", "activity"], "a", "/new/a.csv")
    finally:
        jobs.stop()
    assert all(job.process is None for job in jobs.started.values())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", b"name = ", "expected valid TOML"),
        ("a.toml", b"\xff", "expected valid TOML"),
        ("a.toml", b"#" * 300_000, "at most 256 kB"),
        ("", b"", "a TOML file"),
    ],
)
def test_a_file_that_is_no_pipeline_is_not_kept(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    studio = client(tmp_path)
    answer = studio.post("/bring", files={"file": (name, content)})
    assert answer.status_code == 400
    assert message.lower() in answer.text.lower()
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize("path", ["../x", "pipelines/../../x.toml", "/etc/passwd", "none.toml", "%00"])
def test_pipelines_of_the_folder_only(tmp_path: Path, path: str) -> None:
    record(tmp_path, "run")
    studio = client(tmp_path)
    for key in ("pipeline", "like", "again"):
        assert studio.get(f"/start?{key}={path}").status_code == 404


def test_a_run_of_an_older_record_says_why_it_cannot_be_run_again(tmp_path: Path) -> None:
    record(tmp_path, "old", config={})
    answer = client(tmp_path).get("/start?like=old")
    assert answer.status_code == 400
    assert "a record of an older version" in answer.text


def test_cancelling_what_is_over_or_not_there(tmp_path: Path) -> None:
    for run in ("none", "../x", "", "a/b"):
        assert client(tmp_path).post("/cancel", data={"run": run}).status_code == 404
