"""Curves, tuning, scores, labels, features and folds on workers: the same results as in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster_stories import OWN_PROFILE, STORIES, in_small_pieces, package
from edgewright.cluster.mapping import Progress, engine_for, on_engine

TESTS = str(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a run folder with a package."""
    return package(tmp_path_factory.mktemp("package"))


@pytest.mark.parametrize("address", ["local:1", pytest.param("local:2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", STORIES)
def test_results_are_those_of_this_process(
    name: str, address: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", TESTS)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text(OWN_PROFILE)
    in_small_pieces(monkeypatch.setattr)
    here, seen = STORIES[name](tmp_path, run), list[Progress]()
    with on_engine(engine_for(address), seen.append):
        there = STORIES[name](tmp_path, run)
    assert here == there
    assert seen[-1].done > 3
