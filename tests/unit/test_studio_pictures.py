"""Pictures in the studio: shown with their labels, sent as files, and answered from files that are chosen."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelled_folder import write_recordings
from picture_folder import shape_picture, trained, write_pictures
from studio_example import Client, client


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Client:
    root = tmp_path_factory.mktemp("studio")
    write_pictures(root / "shapes", each=40)
    write_recordings(root / "moves")
    return client(root)


def test_a_folder_is_shown_in_pages_of_pictures(studio: Client) -> None:
    first, second = (studio.get(f"/data/at/shapes?view=pictures&page={page}").text for page in (1, 2))
    assert (first.count('alt="Picture '), second.count('alt="Picture ')) == (60, 20)
    assert 'src="/picture/at/shapes?sample=60"' in first
    assert "view=signal" not in first
    assert "view=spread" not in first


def test_the_guided_start_takes_a_folder_or_a_zip_of_pictures(studio: Client, tmp_path: Path) -> None:
    answer = studio.post("/new", data={"path": "shapes"})
    assert answer.headers["location"] == "/new/shapes"
    text = studio.get("/new/shapes").text
    assert "80 pictures, 3 channels, 2 classes" in text
    assert "24 of 80 pictures" in text
    assert 'src="/picture/at/shapes?sample=80"' in text
    assert "One decision is about" not in text
    # A picture of 24 x 24 pixels in three channels, float32: small ones are not scaled up.
    assert "6.91 kB" in text
    archive = Path(shutil.make_archive(str(tmp_path / "my shapes"), "zip", write_pictures(tmp_path / "few", each=6)))
    answer = studio.post("/new", files={"file": (archive.name, archive.read_bytes())})
    assert answer.headers["location"] == "/new/data/my-shapes.zip"
    assert "12 pictures" in studio.get("/new/data/my-shapes.zip").text
    refused = studio.post("/new", files={"file": ("notes.zip", b"no archive")})
    assert refused.status_code == 400


def test_a_picture_is_the_file_as_the_model_sees_it(studio: Client) -> None:
    answer = studio.get("/picture/at/shapes?sample=2")
    assert answer.headers["content-type"] == "image/png"
    rng = np.random.default_rng(0)
    _, second = shape_picture("disc", rng), shape_picture("disc", rng)
    seen = np.asarray(Image.open(io.BytesIO(answer.content)).resize((24, 24), Image.Resampling.BOX), float)
    assert np.abs(seen - second).mean() < 12


@pytest.mark.parametrize("query", ["", "sample=0", "sample=81", "sample=x"])
def test_a_picture_that_is_not_there(studio: Client, query: str) -> None:
    assert studio.get(f"/picture/at/shapes?{query}").status_code == 404


@pytest.mark.parametrize("view", ["signal", "spread"])
def test_views_of_sensors_show_the_list_instead(studio: Client, view: str) -> None:
    answer = studio.get(f"/data/at/shapes?view={view}")
    assert answer.status_code == 200
    assert 'aria-label="Recordings"' in answer.text


def test_the_map_shows_the_chosen_picture(studio: Client) -> None:
    assert 'src="/picture/at/shapes?sample=3"' in studio.get("/data/at/shapes?view=map&sample=3").text


def test_rows_of_sensors_have_no_pictures(studio: Client) -> None:
    assert "view=pictures" not in studio.get("/data/at/moves?rate=50").text
    assert studio.get("/picture/at/moves?rate=50&sample=1").status_code == 404


@pytest.mark.slow
def test_chosen_files_are_answered(tmp_path: Path) -> None:
    trained(tmp_path, epochs=2)
    studio = client(tmp_path / "runs")
    page = studio.get("/predict/shapes").text
    assert "Files, 16 at most" in page
    assert 'name="v0"' not in page
    assert 'capture="environment"' in studio.get("/live-test/shapes").text
    files = [
        ("file", (path.name, path.read_bytes(), "image/png"))
        for path in sorted((tmp_path / "data" / "disc").iterdir())[:2]
    ]
    answer = studio.post("/predict/shapes", data={"ask": "pictures"}, files=files)
    assert "2 answers" in answer.text
    sent = re.findall(r'src="data:image/png;base64,([^"]+)"', answer.text)
    assert [Image.open(io.BytesIO(base64.b64decode(one))).size for one in sent] == [(24, 24)] * 2
    damaged = studio.post("/predict/shapes", data={"ask": "pictures"}, files=[("file", ("x.png", b"x", "image/png"))])
    assert damaged.status_code == 400
    assert "x.png" in damaged.text
    assert studio.post("/predict/shapes", data={"ask": "pictures"}).status_code == 400
