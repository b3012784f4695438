"""A folder of pictures becomes a proven package, answers to files, and C that takes a camera's bytes."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.input.pictures import pixels
from edgewright.core.predictor import Predictor, load
from edgewright.data.contract import stored_files
from picture_folder import SIDE, trained, write_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder of a small network over shapes."""
    return trained(tmp_path_factory.mktemp("shapes"), epochs=30)


def unseen(tmp_path: Path) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], list[str]]:
    """Return pictures (n, 3, SIDE, SIDE) that nothing was trained on, and their labels."""
    folder = write_pictures(tmp_path / "unseen", each=20, seed=7)
    files = list(stored_files(folder, (".png",), "picture"))
    return np.stack([pixels(c, name, (SIDE, SIDE), colour=True) for name, c in files]), [
        n.split("/")[0] for n, _ in files
    ]


@pytest.mark.slow
def test_the_network_learns_shapes_and_its_int8_form_knows_them(folder: Path, tmp_path: Path) -> None:
    pictures, truth = unseen(tmp_path)
    for form in ("float", "int8"):
        answers = load_form(folder, form).predict(pictures.astype(np.float32))
        assert np.mean(answers.labels == truth) >= 0.8, form


def load_form(folder: Path, form: str) -> Predictor:
    return load(folder, form=form, engine="numpy")


@pytest.mark.slow
def test_files_are_answered_by_name(folder: Path, tmp_path: Path, cli: Cli) -> None:
    unseen = write_pictures(tmp_path / "new", each=2, seed=9)
    rows = cli.rows("predict", folder, "--pictures", unseen, "--json")
    assert [answer["place"] for answer in rows] == [f"{s}/{n}.png" for s in ("disc", "square") for n in ("000", "001")]
    (unseen / "disc" / "002.png").write_bytes(b"x")
    cli("predict", folder, "--pictures", unseen, code=2)


@pytest.mark.slow
@pytest.mark.parametrize("stages", [(), ({"kind": "resize", "height": 16, "width": 20},)])
def test_c_takes_bytes_and_gives_the_bits_it_gives_for_floats(
    stages: tuple[dict[str, object], ...], tmp_path: Path, cli: Cli
) -> None:
    folder = trained(tmp_path, *stages, epochs=3)
    cli("export", folder, "--to", "c99", "--out", tmp_path / "c")
    source, library = tmp_path / "c" / "shapes.c", tmp_path / "shapes.so"
    command = ["gcc", "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", library, source, "-lm"], check=True, timeout=120)
    code = ctypes.CDLL(str(library))
    pictures, _ = unseen(tmp_path)
    context = ctypes.create_string_buffer(1 << 20)
    expected = load_form(folder, "int8").predict(pictures.astype(np.float32))
    for number, picture in enumerate(pictures):
        seen = np.ascontiguousarray(picture.transpose(1, 2, 0))
        floats, answers = seen.astype(np.float32), [ctypes.create_string_buffer(64) for _ in range(2)]
        code.shapes_predict(context, floats.ctypes.data_as(ctypes.c_void_p), answers[0])
        ctypes.memset(context, 0xA5, len(context))
        code.shapes_predict_pixels(context, seen.ctypes.data_as(ctypes.c_void_p), answers[1])
        assert answers[0].raw == answers[1].raw
        probabilities = np.frombuffer(answers[1].raw[:8], np.float32)
        np.testing.assert_allclose(probabilities, expected.probabilities[number], atol=1e-6)


@pytest.mark.slow
def test_all_forms_are_proven(folder: Path, cli: Cli) -> None:
    assert "PROVEN" in cli("prove", folder)


@pytest.mark.slow
def test_a_new_shape_is_known_from_a_few_pictures_without_training(folder: Path, tmp_path: Path, cli: Cli) -> None:
    index = tmp_path / "shapes.neighbours"
    cli("few-shot", "learn", folder, "--examples", write_pictures(tmp_path / "known", each=10, seed=5), "--out", index)
    rng = np.random.default_rng(6)
    for number in range(4):
        flat = np.full((SIDE, SIDE, 3), rng.integers(180, 255), np.uint8)
        Image.fromarray(flat).save(tmp_path / f"blank-{number}.png")
    cli("few-shot", "add", index, "--pictures", tmp_path / "blank-0.png", "--label", "blank")
    cli("few-shot", "add", index, "--pictures", tmp_path / "blank-1.png", "--label", "blank")
    answers = cli.rows("few-shot", "predict", index, "--pictures", tmp_path / "blank-2.png", "--json")
    assert [answer["label"] for answer in answers] == ["blank"]
    unseen = write_pictures(tmp_path / "new", each=10, seed=8)
    answers = cli.rows("few-shot", "predict", index, "--pictures", unseen, "--json")
    assert np.mean([answer["nearest"] == answer["place"].split("/")[0] for answer in answers]) >= 0.8
    cli("few-shot", "predict", index, code=2)


@pytest.mark.slow
def test_what_pictures_cannot_have_yet_is_said_in_a_line(
    folder: Path, tmp_path: Path, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    refusals = {
        ("export", str(folder), "--to", "web", "--out", str(tmp_path / "web")): "one of pictures - at --to web",
        ("predict", str(folder), "--pictures", str(Path(__file__))): "expected a picture that can be read",
    }
    for arguments, line in refusals.items():
        assert run(list(arguments)) == 2, arguments
        assert line in capsys.readouterr().err
