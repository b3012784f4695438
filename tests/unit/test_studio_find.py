"""Search in the studio: words, a picture and both, an answer of yes or no, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.language.own_models.registration import add_model
from media_encoders import COLOURS, pictures, word_pair
from studio_example import HOSTILE, Client, client


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Client:
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "studio"
    folder.mkdir()
    pair = word_pair(tmp_path / "pair")
    text = "\n\n".join(f"# {name}\n\n## Signs\n{name} photo.\n\n## Cure\n{name} noise." for name in COLOURS)
    (tmp_path / "manual.md").write_text(text)
    cli("language", "index", tmp_path / "manual.md", "--encoder", pair, "--out", folder / "manual.index")
    cli("language", "index", "--pictures", pictures(tmp_path), "--encoder", pair, "--out", folder / "shelf.index")
    (folder / "odd.index").write_text("no index")
    return client(folder)


def _send(studio: Client, tmp_path: Path, name: str = "", **fields: str) -> tuple[int, str]:
    path = tmp_path / "shelf" / name / f"a {name} thing.png"
    files = {"file": (path.name, path.read_bytes())} if name else {"file": ("", b"")}
    answer = studio.post("/find", data=fields, files=files)
    return answer.status_code, answer.text


def test_words_and_pictures_find_with_a_registered_model(studio: Client, tmp_path: Path) -> None:
    page = studio.get("/find").text
    assert "manual.index (6 passages)" in page
    assert "shelf.index (3 pictures)" in page
    assert "odd.index" not in page
    status, text = _send(studio, tmp_path, "red", index="shelf.index")
    assert (status, "models add DIR --name pair" in text) == (400, True)
    status, text = _send(studio, tmp_path, index="manual.index", question="green photo")
    assert (status, "<mark>green photo.</mark>" in text, "of your models" in text) == (200, True, False)
    add_model(tmp_path / "pair", licence="MIT")
    status, text = _send(studio, tmp_path, "blue", index="manual.index", question="noise")
    assert text.index("<mark>blue noise.</mark>") < text.index("</li>")
    assert "By pair of your models." in text
    status, text = _send(studio, tmp_path, index="shelf.index", question="red")
    assert text.index("a red thing.png") < text.index("</li>")
    for fields in ({"index": "shelf.index"}, {"index": "../manual.md"}, {"index": "manual.index", "question": ""}):
        assert _send(studio, tmp_path, **fields)[0] in (400, 404)
    status, text = _send(studio, tmp_path, index="manual.index", question=HOSTILE)
    assert HOSTILE not in text


def test_yes_or_no(studio: Client, tmp_path: Path) -> None:
    status, text = _send(studio, tmp_path, "red", do="is", described="red")
    assert (status, "models add DIR" in text) == (400, True)
    add_model(tmp_path / "pair", licence="MIT")
    assert "Yes: red" in _send(studio, tmp_path, "red", do="is", described="red")[1]
    assert "No: red" in _send(studio, tmp_path, "blue", do="is", described="red")[1]
    assert _send(studio, tmp_path, do="is", described="red")[0] == 400
    part = '--X\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\nred\r\n'
    body = part.format("described", "") + part.format("do", "").replace("red", "is")
    body += part.format("file", '; filename="a.p\0ng"') + "--X--\r\n"
    odd = studio.post("/find", content=body.encode(), headers={"content-type": "multipart/form-data; boundary=X"})
    assert odd.status_code == 400
    assert _send(studio, tmp_path, "red", do="is", described="...")[0] == 400
