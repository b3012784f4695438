"""Engines: every batch comes back, a worker that dies costs its batch only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgewright.schema.errors import InputError
from edgewright.search.engines.contract import BatchError, engine_for


def test_a_death_costs_its_batch_which_is_tried_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    once = b"die " + str(tmp_path / "died").encode()
    batches = [b"a", once, b"fail", b"die", b"b"]
    with engine_for("local", 2) as engine:
        found = dict(engine.run("engine_work:work", b"x", batches))
    assert sorted(found) == [0, 1, 2, 3, 4]
    told = {place: answer for place, answer in found.items() if isinstance(answer, bytes)}
    assert {place: answer.rstrip(b"0123456789") for place, answer in told.items()} == {0: b"xa", 1: b"xdie", 4: b"xb"}
    assert str(os.getpid()).encode() not in {answer.lstrip(b"xabdie") for answer in told.values()}
    assert isinstance(found[2], BatchError)
    assert found[2].reason == "ValueError: no good"
    assert isinstance(found[3], BatchError)
    assert "two workers died" in found[3].reason


def test_one_worker_is_this_process() -> None:
    with engine_for("local", 1) as engine:
        found = dict(engine.run("engine_work:work", b"x", iter([b"a"])))
    assert found == {0: b"xa" + str(os.getpid()).encode()}


def test_what_is_no_engine_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no engine 'loca'"):
        engine_for("loca")
    with pytest.raises(InputError, match="module:function"):
        next(engine_for("local", 1).run("nowhere:work", b"", [b""]))
