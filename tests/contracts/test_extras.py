"""What each extra promises, in an environment that holds the wheel with that extra and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from document_blocks import type_page
from small_pipeline import run_small, write_rows, write_toml
from wheel_environment import build_wheel, environment_with

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


def test_train_alone_runs_the_readme_on_own_data(wheel: Path, tmp_path: Path) -> None:
    python = environment_with(wheel, tmp_path / "venv", "train")
    said = type_page("README.md", tmp_path, seconds=300, python=python)["own-data"]
    assert "wrote pipeline.toml and data.md" in said
    assert (tmp_path / "runs" / "my" / "trace.html").is_file()
    assert (tmp_path / "exported" / "src" / "my.c").is_file()


@pytest.mark.parametrize(
    ("extra", "words", "printed"),
    [
        ("trace", ["show", "runs/small", "--no-open", "--out", "page.html"], "page page.html"),
        ("device", ["device", "--help"], "edgewright device status"),
        ("fleet", ["fleet", "init", "my-fleet"], "edgewright fleet publish"),
    ],
)
def test_an_extra_runs_its_command(extra: str, words: list[str], printed: str, wheel: Path, tmp_path: Path) -> None:
    run_small(write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv")), tmp_path / "runs")
    command = environment_with(wheel, tmp_path / "venv", extra).with_name("edgewright")
    done = subprocess.run(
        [str(command), *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert printed in done.stdout
