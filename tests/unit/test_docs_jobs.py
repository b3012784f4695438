"""The how-to of each job, typed command by command, with the public sets in `data`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from document_blocks import type_page
from edgewright.jobs.catalogue import examples, read_job, shipped_jobs
from edgewright.schema.job import JobRecord
from support import ROOT, shared_data

# docs/jobs/NAME.md is found here and in the navigation of the site.
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "jobs").glob("*.md"))
# Jobs of a minute or two; a third of the others runs for each commit.
LIGHT = ("manual", "room")


def test_every_job_has_a_how_to() -> None:
    assert {Path(page).stem for page in PAGES} == set(shipped_jobs())


@pytest.mark.parametrize("page", PAGES)
def test_a_how_to_is_a_screen_long_and_of_a_job(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 30
    assert f"edgewright jobs run {Path(page).stem}" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page if Path(page).stem in LIGHT else pytest.param(page, marks=pytest.mark.heavy) for page in PAGES],
)
def test_a_how_to_runs_its_job_whole(page: str, tmp_path: Path) -> None:
    name = Path(page).stem
    (tmp_path / "data").symlink_to(shared_data(""))
    assert "job.html" in type_page(page, tmp_path, seconds=1500)[name]
    folder = tmp_path / "runs" / name
    record = msgspec.json.decode((folder / "job.json").read_bytes(), type=JobRecord)
    spec = read_job(examples() / name)
    assert [step.kind for step in record.steps] == [step["kind"] for step in spec.steps]
    assert record.passed
    assert any(step.choice is not None for step in record.steps), "a decision record of what was chosen"
    assert "## Decision" in (folder / "decision.md").read_text(encoding="utf-8")
    figures = {(step.name, figure.name) for step in record.steps for figure in step.figures}
    assert {(target.step, target.figure) for target in spec.targets} <= figures
    assert "<svg" in (folder / "job.html").read_text(encoding="utf-8")
