"""A job of own data is made under a new name alone, and what was typed stays where it is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgewright.jobs.catalogue import shipped_jobs
from studio_example import client


@pytest.mark.parametrize("name", ["pump", "ran", "room", "a b", ""])
def test_a_name_that_is_taken_or_none_is_refused_and_stays(tmp_path: Path, name: str) -> None:
    assert "room" in shipped_jobs()
    (tmp_path / "jobs" / "pump").mkdir(parents=True)
    (tmp_path / "ran").mkdir()
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n")
    browser = client(tmp_path)
    answer = browser.post("/jobs/new", data={"name": name, "data": "rows.csv", "budget": ""})
    assert answer.status_code == 400
    assert "Choose another name" in answer.text
    assert f'name="name" value="{name}"' in answer.text
    assert re.search(r"<option selected>rows.csv</option>", answer.text)
    assert browser.get("/jobs").text.count("Choose another name") == 0


def test_data_that_have_gone_are_refused_in_the_form(tmp_path: Path) -> None:
    answer = client(tmp_path).post("/jobs/new", data={"name": "pump", "data": "gone.csv", "budget": ""})
    assert answer.status_code == 400
    assert "gone.csv" in answer.text
    assert 'id="make" open' in answer.text
