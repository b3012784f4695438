"""The table of docs/foundation-models.md: its commands run as they stand there, its figures are in the linked pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from document_blocks import type_page, write_sources
from documents_example import MANUAL
from edgewright.core.input.riff import wav_bytes
from edgewright.language.labelling.audit import draw, unanswered
from label_example import answer, suggested, write_project
from llm_server import llama_server
from media_encoders import COLOURS, sounds, word_pair
from own_model_files import gguf, sentence_encoder
from picture_folder import write_pictures
from support import ROOT, environment

PAGE = "docs/foundation-models.md"
# First cell of a row -> what its commands print.
PRINTED = {
    "forecasts a series that it never saw": r"wrote new-meter\.forecaster",
    "labels texts without examples": r"will it rain: .*weather",
    "labels pictures without examples": r"red\.png: red",
    "labels sounds without examples": r"early\.wav: early",
    "answers a question about a picture": r"red\.png: red",
    "answers questions from documents": r"»Take out the empty batteries",
    "answers from documents in its own words": r"The warranty lasts 24 months",
    "tells rules from documents": r"(Never|Do not) use water.*It does not judge whether something is allowed",
    "finds passages said in other words": r"»Take out the empty batteries",
    "looks up pictures by words and by pictures": r"\[1\]  1\.00  red\.png.*\[1\]  1\.00  red\.png",
    "understands what is said": r"light_on, \d+ %",
    "holds a conversation": r"You chose soda",
    "plans ahead": r"copied vehicle",
    "removes noise": r"wrote clean\.wav: [\d,]+ rows",
    "upscales signals and pictures": r"wrote wide\.wav",
    "speaks": r"wrote 4 synthetic prompts",
    "labels data": r"\d+ suggested",
    "labels data for a small model": r"taught\.labelling\.students",
    "makes sentences to train on": r"wrote 4 synthetic sentences",
}


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        job: what a foundation model does.
        commands: what is typed here.
        figure: what was measured, with the page that says so.
        limit: where it falls behind.
    """

    job: str
    commands: tuple[str, ...]
    figure: str
    limit: str


def _rows() -> list[Row]:
    lines = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    assert all(len(row) == 5 for row in cells)
    texts = [[cell.strip().replace("\\|", "|") for cell in row] for row in cells[2:]]
    return [Row(row[0], tuple(re.findall(r"`([^`]+)`", row[1])), row[3], row[4]) for row in texts]


ROWS = _rows()


@cache
def _linked(target: str) -> str:
    return (ROOT / "docs" / target.partition("#")[0]).read_text(encoding="utf-8")


def test_every_row_has_a_command_and_says_what_it_prints() -> None:
    assert [row.job for row in ROWS] == list(PRINTED)
    assert all(row.commands and row.limit for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.job)
def test_every_figure_is_in_the_page_that_it_names(row: Row) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", row.figure + row.limit)
    assert targets, "expected a link to the page that says so"
    numbers = re.findall(r"(?<![\w.])\d*\.\d+|(?<![\w.])[\d,]*\d %", row.figure + row.limit)
    pages = " ".join(_linked(target) for target in targets)
    assert [number for number in numbers if number not in pages] == []


def _write_material(folder: Path) -> None:
    """Write what the page calls files of yours, and small encoders in the place of those that people bring."""
    (folder / "meters").mkdir()
    load = 50 + 10 * np.sin(2 * np.pi * np.arange(300) / 24) + np.random.default_rng(0).normal(size=300)
    for name, rows in {"meters/0": load, "meters/1": load + 3, "meters/2": load * 2, "new-meter": load[:120]}.items():
        (folder / f"{name}.csv").write_text("kW\n" + "".join(f"{value:.3f}\n" for value in rows))
    (folder / "shelf").mkdir()
    for colour in ("red", "blue"):
        Image.new("RGB", (40, 24), COLOURS[colour]).save(folder / "shelf" / f"{colour}.png")
    write_pictures(folder / "goods", each=6)
    sounds(folder).rename(folder / "heard")
    (folder / "slow.wav").write_bytes(wav_bytes(np.sin(np.arange(4_000.0) / 9)[:, None] / 2, 4_000))
    for name in ("manual.md", "drill.md"):
        (folder / name).write_text(MANUAL, encoding="utf-8")
    llama_server(folder / "bin", "24 months", "The warranty lasts 24 months.")
    gguf(folder / "small.gguf")
    project = suggested(write_project(folder, "taught.labelling"), wrong=1)
    draw(project, 30, seed=1)
    answer(project, unanswered(project), how="blind")
    project.close()
    calls = [
        f"{first} {second} please" for first in ("rain", "wet", "money", "price") for second in ("much", "on", "is")
    ]
    (folder / "calls.csv").write_text("text\n" + "\n".join(calls) + "\n")
    word_pair(folder / "clip-onnx")
    word_pair(folder / "clap-onnx", "sound")
    sentence_encoder(folder / "all-MiniLM-L6-v2")
    (folder / "docs").mkdir()
    (folder / "docs" / "examples").symlink_to(ROOT / "docs" / "examples")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the files that the commands read."""
    path = tmp_path_factory.mktemp("foundation")
    _write_material(path)
    write_sources(PAGE, path, {"toml": "labels.toml"})
    type_page(PAGE, path, seconds=300)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.job)
def test_the_commands_of_a_row_run_as_they_stand(row: Row, folder: Path) -> None:
    assert all("edgewright " in command for command in row.commands)
    path = os.pathsep.join([str(Path(sys.executable).parent), str(folder / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(row.commands)], cwd=folder, env={**environment(), "PATH": path},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(PRINTED[row.job], done.stdout, re.DOTALL), done.stdout[-4000:]
