"""What each extra promises, in an environment that holds the wheel with that extra and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from document_blocks import type_page
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
