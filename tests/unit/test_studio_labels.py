"""The label editor: what is saved is what a run reads, a second tab is told, and nothing else in the file changes."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from edgewright.data.labels import names_recording, read_marks
from edgewright.data.load import load_data
from labelled_folder import HOSTILE, NAMES, write_labels, write_recordings
from studio_example import Client, client, record

AT = "/labels/at/moves?recording=one.csv&rate=50"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_labels(write_recordings(tmp_path / "studio" / "moves"))
    return tmp_path / "studio"


@pytest.fixture
def studio(root: Path) -> Client:
    return client(root)


def form(text: str) -> dict[str, str]:
    """Return the fields of the editor's form as a browser would send them."""
    whole = re.search(r"<form method=\"post\"[^>]*data-unsaved.*?</form>", text, re.DOTALL)
    assert whole, text
    fields = {}
    for tag in re.findall(r"<input[^>]*>", whole[0]):
        parts = {key: unescape(value) for key, value in re.findall(r'([a-z-]+)="([^"]*)"', tag)}
        fields[parts["name"]] = parts.get("value", "")
    for name, value in re.findall(r'<textarea id="[^"]*" name="([^"]*)"[^>]*>(.*?)</textarea>', whole[0], re.DOTALL):
        fields[name] = unescape(value).replace("\n", "\r\n")
    return fields


def labels_of(root: Path, recording: str = "one.csv") -> list[str]:
    """Return what a run would read: the label of every row."""
    data = load_data({"kind": "folder", "rate": 50.0}, seed=0, path=str(root / "moves"))
    return [str(v) for v in next(r for r in data.recordings if r.name == recording).target]


def test_a_changed_label_is_what_a_run_reads(root: Path, studio: Client) -> None:
    before = (root / "moves" / "labels.csv").read_text().splitlines()
    fields = form(studio.get(AT).text)
    assert (fields["start_0"], fields["end_0"], fields["label_0"]) == ("0", "6", "shake")
    answer = studio.post(AT, data={**fields, "end_0": "5", "start_1": "5", "label_1": "stand", "do": "save"})
    assert answer.status_code == 303
    assert "Saved" in studio.get(answer.headers["location"]).text
    assert labels_of(root) == ["shake"] * 250 + ["stand"] * 350
    after = (root / "moves" / "labels.csv").read_text().splitlines()
    # Other lines and a column that nobody knows stay as they were.
    assert after[1] == 'one.csv,0,5,shake,p0,"a, b"'
    assert [line for line in after if "one.csv" not in line] == [line for line in before if "one.csv" not in line]


def test_events_are_added_split_and_deleted_before_they_are_saved(root: Path, studio: Client) -> None:
    content = (root / "moves" / "labels.csv").read_bytes()
    fields = form(studio.get(AT).text)
    split = form(studio.post(AT, data={**fields, "do": "split:0"}).text)
    assert [split[f"{part}_{i}"] for i in (0, 1) for part in ("start", "end")] == ["0", "3", "3", "6"]
    at_place = form(studio.post(AT, data={**fields, "new_start": "1.25", "do": "split:0"}).text)
    assert at_place["end_0"] == at_place["start_1"] == "1.25"
    left = form(studio.post(AT, data={**split, "do": "delete:0"}).text)
    assert [left["start_0"], left["start_1"]] == ["3", "6"]
    assert "start_2" not in left
    added = form(
        studio.post(AT, data={**left, "new_start": "1", "new_end": "2", "new_label": "jump", "do": "add"}).text
    )
    assert added["label_2"] == "jump"
    assert (root / "moves" / "labels.csv").read_bytes() == content
    assert studio.post(AT, data={**added, "do": "save"}).status_code == 303
    labels = labels_of(root)
    assert labels[:200] == [""] * 50 + ["jump"] * 50 + [""] * 50 + ["shake"] * 50
    # In order of time, and with the person of the recording.
    lines = [line for line in (root / "moves" / "labels.csv").read_text().splitlines() if line.startswith("one")]
    assert [line.split(",")[1] for line in lines] == ["1", "3", "6"]
    assert lines[0] == "one.csv,1,2,jump,p0,"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"end_0": "7"}, "start_1", "events that do not overlap"),
        ({"end_0": "-1"}, "end_0", "ends after its start"),
        ({"start_0": "soon"}, "start_0", "a number or a date"),
        ({"end_1": "nan"}, "end_1", "a finite number"),
        ({"start_1": "90", "end_1": "99"}, "start_1", "within the recording"),
        ({"end_1": ""}, "end_1", "both empty"),
        ({"label_0": ""}, "label_0", "expected a label"),
        ({"label_0": "NaN"}, "label_0", "counts as none"),
        ({"label_0": "x" * 501}, "label_0", "at most 500"),
        ({"label_0": "a\x00b"}, "label_0", "control character"),
    ],
)
def test_what_the_loader_would_refuse_is_said_beside_the_field(
    root: Path, studio: Client, change: dict[str, str], field: str, message: str
) -> None:
    content = (root / "moves" / "labels.csv").read_bytes()
    answer = studio.post(AT, data={**form(studio.get(AT).text), **change, "do": "save"})
    assert answer.status_code == 400
    match = re.search(rf'id="{field}-told">([^<]*)<', answer.text)
    assert match, re.findall(r'-told">[^<]*<', answer.text)
    assert message in unescape(match[1])
    kept = form(answer.text)
    assert all(kept[name] == value for name, value in change.items() if "\x00" not in value)
    assert (root / "moves" / "labels.csv").read_bytes() == content


def test_a_second_tab_is_told_and_overwrites_nothing(root: Path, studio: Client) -> None:
    first, second = form(studio.get(AT).text), form(studio.get(AT).text)
    assert studio.post(AT, data={**first, "label_0": "mine", "do": "save"}).status_code == 303
    content = (root / "moves" / "labels.csv").read_bytes()
    answer = studio.post(AT, data={**second, "label_0": "later", "do": "save"})
    assert answer.status_code == 409
    assert "Your changes are not saved" in answer.text
    assert (root / "moves" / "labels.csv").read_bytes() == content
    # Both are shown, and the form still holds the second one's: it can be put over the first.
    assert ": mine <span" in answer.text
    assert ": later <span" in answer.text
    again = form(answer.text)
    assert again["label_0"] == "later"
    assert studio.post(AT, data={**again, "do": "save"}).status_code == 303
    assert labels_of(root)[0] == "later"
    assert b"mine" not in (root / "moves" / "labels.csv").read_bytes()


def test_events_of_another_recording_may_change_meanwhile(root: Path, studio: Client) -> None:
    other = AT.replace("one.csv", "two.csv")
    first, second = form(studio.get(AT).text), form(studio.get(other).text)
    assert studio.post(AT, data={**first, "label_0": "mine", "do": "save"}).status_code == 303
    answer = studio.post(other, data={**second, "label_0": "theirs", "do": "save"})
    assert answer.status_code == 303
    assert "changed elsewhere in the meantime" in studio.get(answer.headers["location"]).text
    assert labels_of(root)[0] == "mine"
    assert labels_of(root, "two.csv")[0] == "theirs"


def test_an_editor_that_saves_meanwhile_is_noticed(root: Path, studio: Client) -> None:
    fields = form(studio.get(AT).text)
    path = root / "moves" / "labels.csv"
    path.write_text(path.read_text().replace("one.csv,0,6,shake", "one.csv,0,6,run"))
    assert studio.post(AT, data={**fields, "label_0": "x", "do": "save"}).status_code == 409
    assert labels_of(root)[0] == "run"


def test_undo_brings_an_earlier_version_back(root: Path, studio: Client) -> None:
    path = root / "moves" / "labels.csv"
    contents = [path.read_bytes()]
    for label in ("first", "second"):
        fields = {**form(studio.get(AT).text), "label_0": label, "do": "save"}
        assert studio.post(AT, data=fields).status_code == 303
        contents.append(path.read_bytes())
    text = studio.get(AT).text
    names = re.findall(r'value="(restore:[^"]*)"', text)
    assert len(names) == 2
    base = form(text)["base"]
    assert studio.post(AT, data={"base": base, "do": names[0]}).status_code == 303
    assert path.read_bytes() == contents[1]
    # What was undone is kept: it can be brought back too. A page that is older is refused.
    assert studio.post(AT, data={"base": base, "do": names[1]}).status_code == 400
    again = studio.get(AT).text
    newest = re.findall(r'value="(restore:[^"]*)"', again)[0]
    assert studio.post(AT, data={"base": form(again)["base"], "do": newest}).status_code == 303
    assert path.read_bytes() == contents[2]
    for wrong in ("restore:../labels.csv", "restore:", "restore:1.csv"):
        assert studio.post(AT, data={"base": form(studio.get(AT).text)["base"], "do": wrong}).status_code == 400
    assert path.read_bytes() == contents[2]


@pytest.mark.parametrize("label", [HOSTILE, 'a "quoted", one', "line\nbreak", "naïve ☃ 走", "=1+1", "a;b|c\td"])
def test_any_label_comes_back_as_it_was_written(root: Path, studio: Client, label: str) -> None:
    fields = {**form(studio.get(AT).text), "label_0": label.replace("\n", "\r\n"), "do": "save"}
    assert studio.post(AT, data=fields).status_code == 303
    assert labels_of(root)[0] == label
    assert read_marks(root / "moves" / "labels.csv").marks[0].label == label
    text = studio.get(AT).text
    assert "<img" not in text
    # Saved again without a change, it is still the same.
    assert studio.post(AT, data={**form(text), "do": "save"}).status_code == 303
    assert labels_of(root)[0] == label


def test_labels_by_folder_become_a_file_that_changes_no_other(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    write_recordings(root / "moves" / "walk")
    write_recordings(root / "moves" / "rest")
    studio, at = client(root), "/labels/at/moves?recording=walk/one.csv&rate=50"
    text = studio.get(at).text
    fields = form(text)
    assert (fields["start_0"], fields["label_0"]) == ("", "walk")
    fields = form(studio.post(at, data={**fields, "do": "split:0"}).text)
    assert studio.post(at, data={**fields, "label_1": "stop", "do": "save"}).status_code == 303
    assert labels_of(root, "walk/one.csv") == ["walk"] * 300 + ["stop"] * 300
    assert set(labels_of(root, "rest/one.csv")) == {"rest"}
    assert set(labels_of(root, "walk/two.csv")) == {"walk"}
    past = studio.get(at).text
    assert "no file yet" in past
    name = re.findall(r'value="(restore:[^"]*)"', past)[0]
    assert studio.post(at, data={"base": form(past)["base"], "do": name}).status_code == 303
    assert not (root / "moves" / "labels.csv").exists()
    assert set(labels_of(root, "walk/one.csv")) == {"walk"}


@pytest.mark.parametrize(
    ("line", "name", "means"),
    [("a.csv", "x/a.csv", True), ("a", "x/a.csv.gz", True), ("x/a.csv", "x/a.csv", True), ("x/a", "y/a.csv", False),
     ("data/x/a.csv", "x/a.csv", True), ("x/a.csv", "a.csv", True), ("ab.csv", "a.csv", False), ("", "a.csv", False)],
)  # fmt: skip
def test_which_recording_a_line_names(line: str, name: str, means: bool) -> None:
    assert names_recording(line, name) is means


def test_a_line_that_means_two_recordings_is_not_edited(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    write_recordings(root / "moves" / "walk")
    write_recordings(root / "moves" / "rest")
    (root / "moves" / "labels.csv").write_text("file,label\none.csv,x\n")
    answer = client(root).get("/labels/at/moves?recording=walk/one.csv")
    assert answer.status_code == 400
    assert "rest/one.csv and walk/one.csv" in unescape(answer.text)


def test_what_lies_elsewhere_is_shown_and_not_written(tmp_path: Path) -> None:
    folder = write_recordings(tmp_path / "elsewhere")
    path = write_labels(folder)
    root = tmp_path / "studio"
    config: dict[str, Any] = {"name": "moved", "data": {"kind": "folder", "path": str(folder), "rate": 50.0}}
    config["model"] = {"layers": [{"kind": "dense", "units": 4}]}
    record(root, "moved", config=config)
    studio = client(root)
    before = path.read_bytes()
    assert "outside the studio's folder" in unescape(studio.get("/labels/run/moved").text)
    shown = unescape(studio.get("/data/run/moved?view=signal").text)
    assert "shake" in shown
    assert "it is not served as a file, and nothing is written there" in shown
    sent = {"do": "save", "recording": "one.csv", "label_0": "x"}
    assert studio.post("/labels/run/moved", data=sent).status_code == 400
    assert path.read_bytes() == before


def test_a_change_from_another_site_is_refused(root: Path, studio: Client) -> None:
    fields = {**form(studio.get(AT).text), "label_0": "theirs", "do": "save"}
    assert studio.post(AT, data=fields, headers={"origin": "http://evil.example"}).status_code == 403
    assert labels_of(root)[0] == "shake"


def test_a_labels_file_behind_a_link_is_left_alone(root: Path, tmp_path: Path) -> None:
    path = root / "moves" / "labels.csv"
    other = tmp_path / "other.csv"
    path.rename(other)
    path.symlink_to(other)
    before = other.read_bytes()
    assert client(root).get(AT).status_code == 400
    assert client(root).post(AT, data={"do": "save"}).status_code == 400
    assert other.read_bytes() == before


def test_recordings_are_listed_with_their_events(studio: Client) -> None:
    text = studio.get("/labels/at/moves?rate=50").text
    assert all(name in text for name in NAMES)
    assert text.count('<td class="num">2</td>') == 4
    assert studio.get("/labels/at/moves?recording=none.csv&rate=50").status_code == 404


@pytest.mark.slow
def test_a_recording_with_many_events_is_edited_page_by_page(root: Path, studio: Client) -> None:
    path = root / "moves" / "labels.csv"
    lines = [f"one.csv,{i * 0.04:.2f},{i * 0.04 + 0.02:.2f},b{i}" for i in range(250)]
    path.write_text("\n".join(["file,start,end,label", *lines, "two.csv,0,6,x"]) + "\n")
    second = form(studio.get(f"{AT}&first=100").text)
    assert (second["first"], second["label_0"], second["label_99"]) == ("100", "b100", "b199")
    stale = dict(second)
    assert studio.post(AT, data={**second, "label_0": "changed", "do": "save"}).status_code == 303
    after = path.read_text().splitlines()
    assert after[101].endswith("changed")
    assert [line for line in after if "changed" not in line] == [
        line for line in ["file,start,end,label", *lines, "two.csv,0,6,x"] if not line.endswith(",b100")
    ]
    answer = studio.post(AT, data={**stale, "label_1": "late", "do": "save"})
    assert answer.status_code == 409
    # Places may have moved on other pages: the form holds what is saved now, and what was typed stands beside it.
    assert form(answer.text)["label_0"] == "changed"
    assert ": late <span" in answer.text
    assert path.read_text().splitlines() == after
