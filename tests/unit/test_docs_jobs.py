"""The how-to of each job, typed command by command, with the public sets in `data`."""

from __future__ import annotations

from pathlib import Path

import pytest

from document_blocks import type_page
from edgewright.jobs.catalogue import shipped_jobs
from support import ROOT, shared_data

# docs/jobs/NAME.md is found here and in the navigation of the site.
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "jobs").glob("*.md"))


def test_every_job_has_a_how_to() -> None:
    assert {Path(page).stem for page in PAGES} == set(shipped_jobs())


@pytest.mark.parametrize("page", PAGES)
def test_a_how_to_is_a_screen_long_and_of_a_job(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 30
    assert f"edgewright jobs run {Path(page).stem}" in text


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("page", PAGES)
def test_a_how_to_runs(page: str, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(shared_data(""))
    said = type_page(page, tmp_path, seconds=1500)[Path(page).stem]
    assert "job.html" in said
    assert "failed" not in said
