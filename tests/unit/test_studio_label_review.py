"""The review in the studio: forms, two tabs, an audit that is blind, and places that it does not lead to."""

from __future__ import annotations

import io
import re
import sqlite3
from html import unescape
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from PIL import Image

from edgewright.language.labelling.audit import audited, draw
from edgewright.language.labelling.items import make, read_items
from edgewright.language.labelling.project import Project
from edgewright.language.own_models.registration import add_model
from label_example import suggested, write_project
from own_model_files import model2vec
from studio_example import HOSTILE, Client, client

AT = "/label/calls.labelling?as=ann"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "studio"
    folder.mkdir()
    suggested(write_project(folder)).close()
    return folder


@pytest.fixture
def studio(root: Path) -> Client:
    return client(root)


def form(text: str) -> dict[str, str]:
    """Return the hidden fields of the review's form."""
    return {
        name: unescape(value) for name, value in re.findall(r'type="hidden" name="(item|base)" value="([^"]*)"', text)
    }


def reviews_of(root: Path) -> list[tuple[int, str, str]]:
    with Project(root / "calls.labelling") as project:
        return [(one.item, one.label, one.how) for one in project.reviews()]


def test_a_form_labels_and_goes_on(root: Path, studio: Client) -> None:
    page = studio.get(AT)
    assert "The machine suggests" in page.text
    assert "80 items left" in page.text
    assert "left" not in studio.get("/label/calls.labelling").text, "nothing is said of nobody's work"
    answer = studio.post(AT, data={**form(page.text), "take": "lamp"})
    assert answer.status_code == 303
    after = studio.get("/label/calls.labelling" + answer.headers["location"])
    assert "Saved: lamp." in after.text
    assert "79 items left" in after.text
    assert reviews_of(root) == [(1, "lamp", "accepted")]
    again = studio.post(AT, data={**form(after.text), "take": "", "label": "", "new": "drink", "do": "new"})
    assert again.status_code == 303
    studio.post(AT, data={"do": "undo"})
    studio.post(AT, data={**form(studio.get(AT).text), "do": "none"})
    assert reviews_of(root) == [(1, "lamp", "accepted"), (2, "", "typed")]
    with Project(root / "calls.labelling") as project:
        assert "drink" in project.classes()


def test_suggestions_use_a_registered_encoder_and_say_so(
    root: Path, studio: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "models"))
    assert "of your models" not in unquote_plus(studio.post(AT, data={"do": "suggest"}).headers["location"])
    record = add_model(model2vec(tmp_path / "small"))
    location = studio.post(AT, data={"do": "suggest"}).headers["location"]
    assert "The suggestions use small of your models." in unquote_plus(location)
    with Project(root / "calls.labelling") as project:
        assert project.meta("vectors") == f"text/small/{record.sha256}"


def test_a_second_tab_is_told_and_overwrites_nothing(root: Path, studio: Client) -> None:
    first, second = form(studio.get(AT).text), form(studio.get(AT).text)
    assert studio.post(AT, data={**first, "take": "lamp"}).status_code == 303
    answer = studio.post(AT, data={**second, "take": "food"})
    assert answer.status_code == 409
    assert "lamp by ann" in answer.text
    assert reviews_of(root) == [(1, "lamp", "accepted")]
    assert studio.post(AT, data={**form(answer.text), "take": "food"}).status_code == 303
    assert reviews_of(root)[-1] == (1, "food", "typed")


def test_an_audit_is_blind(root: Path, studio: Client) -> None:
    with Project(root / "calls.labelling") as project:
        draw(project, 2, seed=0)
    for _ in range(2):
        page = studio.get(AT + "&mode=audit")
        assert "90 %" not in page.text
        assert "The machine suggests" not in page.text
        assert studio.post(AT + "&mode=audit", data={**form(page.text), "take": "lamp"}).status_code == 303
    with Project(root / "calls.labelling") as project:
        assert audited(project).state == "done"
    assert "All 2 are answered" in studio.get(AT + "&mode=audit").text


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"take": "lmap"}, "a class of this project"),
        ({}, "a class"),
        ({"new": "/x", "do": "new"}, "the name of a class"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_saved(
    root: Path, studio: Client, sent: dict[str, str], message: str
) -> None:
    answer = studio.post(AT, data={**form(studio.get(AT).text), **sent})
    assert answer.status_code == 400
    assert message in unescape(answer.text)
    assert reviews_of(root) == []


def test_it_leads_nowhere_else_and_takes_forms_from_its_own_pages_only(root: Path, studio: Client) -> None:
    (root.parent / "out").mkdir()
    write_project(root.parent / "out", "secret.labelling")
    (root / "link.labelling").symlink_to(root.parent / "out" / "secret.labelling")
    sqlite3.connect(root / "other.db").execute("CREATE TABLE t (x)").connection.close()
    for location in ("link.labelling", "../out/secret.labelling", "other.db", "absent.labelling"):
        assert studio.get(f"/label/{location}?as=ann").status_code == 404, location
    assert "secret" not in studio.get("/label").text
    fields = form(studio.get(AT).text)
    assert (
        studio.post(AT, data={**fields, "take": "lamp"}, headers={"origin": "http://evil.example"}).status_code == 403
    )
    assert reviews_of(root) == []


def test_texts_and_classes_are_escaped_and_damage_is_told(root: Path, studio: Client) -> None:
    source = root / "odd.csv"
    source.write_text(f'text\n"{HOSTILE.replace(chr(34), chr(34) * 2)} שלום 😀"\n', encoding="utf-8")
    make(root / "odd.labelling", source, read_items(source), {HOSTILE: "", "b": ""})
    page = studio.get("/label/odd.labelling?as=%3Cb%3E")
    assert HOSTILE not in page.text
    assert "שלום 😀" in page.text
    base = sqlite3.connect(root / "odd.labelling")
    base.execute("PRAGMA user_version = 9")
    base.close()
    assert "format 9 is newer" in studio.get("/label").text
    assert studio.get("/label/odd.labelling?as=ann").status_code == 400


def test_windows_and_pictures_are_shown(root: Path, studio: Client) -> None:
    rows = "\n".join(f"{k / 10},{k % 7}" for k in range(40))
    (root / "walk.csv").write_text(f"t,x\n{rows}\n")
    make(
        root / "walk.labelling",
        root / "walk.csv",
        read_items(root / "walk.csv", window=20, table={"time": "t"}),
        {"a": ""},
    )
    page = studio.get("/label/walk.labelling?as=ann").text
    assert page.count('class="line"') == 1
    assert "walk.csv row 1 to 20" in page
    (root / "shelf").mkdir()
    Image.new("RGB", (8, 8), (200, 10, 10)).save(root / "shelf" / "red.png")
    make(root / "shelf.labelling", root / "shelf", read_items(root / "shelf"), {"a": "", "b": ""})
    assert 'src="?picture=1"' in studio.get("/label/shelf.labelling?as=ann").text
    assert studio.get("/label/shelf.labelling?picture=1").headers["content-type"] == "image/png"
    assert studio.get("/label/shelf.labelling?picture=7").status_code == 404
    assert studio.get("/label/calls.labelling?picture=1").status_code == 404


def test_pictures_taken_now_become_a_label_set(root: Path, studio: Client) -> None:
    def sent(*names: str) -> list[tuple[str, tuple[str, bytes, str]]]:
        pictures = []
        for number, name in enumerate(names):
            file = io.BytesIO()
            Image.new("RGB", (8, 8), (number * 40, 0, 0)).save(file, "JPEG" if name.endswith("jpg") else "PNG")
            pictures.append(("pictures", (name, file.getvalue(), "image/jpeg")))
        return pictures

    fields = {"classes": "milk, tea", "data": "", "seconds": ""}
    # A phone calls every photograph the same; names with folders are not used.
    answer = studio.post("/label", data=fields, files=sent("image.jpg", "image.jpg", "../../x.png"))
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert 'src="?picture=3"' in studio.get(f"{location}?as=ann&item=3").text
    assert studio.get(f"{location}?picture=2").headers["content-type"] == "image/jpeg"
    with Project(root / location.rpartition("/")[2]) as project:
        assert (project.kind, len(project.items())) == ("pictures", 3)
    folders = sorted((root / "data").iterdir())
    wrong = ("pictures", ("b.png", b"GIF89a", "image/png"))
    refused = studio.post("/label", data=fields, files=[*sent("a.png"), wrong])
    assert refused.status_code == 400
    assert "a PNG or JPEG picture" in unescape(refused.text)
    assert sorted((root / "data").iterdir()) == folders
