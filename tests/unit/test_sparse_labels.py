"""Labels that stand only where they change: found, offered, and filled down within a person and a session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from edgewright.core.errors import DataWarning
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.labels import fill_down, labelled_share
from edgewright.data.load import load_data
from edgewright.data.quality import examine
from edgewright.workflows.own_data.proposal import OwnDataRequest, base_table, look

ROWS, LONG = 600, 50
EVENTS = np.repeat(np.array(["walk", "run", "rest"])[np.arange(ROWS // LONG) % 3], LONG)
PEOPLE = np.repeat(["ann", "bo"], ROWS // 2)


def sparse() -> NDArray[np.str_]:
    return np.where(np.arange(ROWS) % LONG == 0, EVENTS, "")


def dataset(target: NDArray[np.str_]) -> DataSet:
    values = np.random.default_rng(0).normal(size=(ROWS, 2)).astype(np.float32)
    recording = Recording(name="one", values=values, target=target, groups=PEOPLE)
    names = (Column(name="x"), Column(name="y"))
    return DataSet(name="events", columns=names, recordings=(recording,), target_name="activity")


def test_a_label_goes_on_until_the_next_one_of_the_same_person() -> None:
    target = np.array(["", "a", "", "b", "", "", "c", ""])
    people = np.array(["p", "p", "p", "p", "p", "q", "q", "q"])
    assert fill_down(target, people, None).tolist() == ["", "a", "a", "b", "b", "", "c", "c"]
    takes = np.array(["1", "1", "2", "2", "2", "2", "2", "2"])
    assert fill_down(target, people, takes).tolist() == ["", "a", "", "b", "b", "", "c", "c"]
    assert fill_down(target).tolist() == ["", "a", "a", "b", "b", "b", "c", "c"]
    amounts = fill_down(np.array([np.nan, 1.0, np.nan, 2.0]))
    np.testing.assert_array_equal(amounts, [np.nan, 1.0, 1.0, 2.0])
    assert fill_down(np.array([], np.str_), np.array([], np.str_)).tolist() == []


def test_labels_at_changes_are_found() -> None:
    share = labelled_share(dataset(sparse()))
    assert share == pytest.approx(1 / LONG)
    (finding,) = [one for one in examine(dataset(sparse())).findings if one.kind == "sparse-labels"]
    assert finding.numbers["empty"] == pytest.approx(1 - 1 / LONG)


@pytest.mark.parametrize(
    "target",
    [
        EVENTS,
        np.where(np.random.default_rng(0).random(ROWS) < 0.1, EVENTS, ""),  # some rows of each event
        np.where(np.arange(ROWS) % LONG < 10, EVENTS, ""),  # the first second of each event
        np.where(np.arange(ROWS) % LONG == 0, "walk", ""),  # one class
        np.full(ROWS, ""),
    ],
)
def test_other_labels_are_not_offered_a_fill_down(target: NDArray[np.str_]) -> None:
    assert labelled_share(dataset(target)) is None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    values = np.random.default_rng(0).normal(size=(ROWS, 2)).round(3)
    rows = zip(PEOPLE, np.arange(ROWS) / 25, *values.T, sparse(), strict=True)
    path.write_text("person,time,x,y,activity\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n")
    return path


def test_init_offers_it_and_the_key_does_it(file: Path) -> None:
    with pytest.warns(DataWarning, match="--fill-labels"):
        own = look(OwnDataRequest(path=str(file)))
    assert own.has_sparse_labels
    request = OwnDataRequest(path=str(file), fill_labels=True)
    own = look(request)
    assert not own.has_sparse_labels
    table = base_table(request, own)["data"]
    assert table["fill_labels"] is True
    assert load_data(table, seed=0).recordings[0].target.tolist() == EVENTS.tolist()
    assert own.framing.kind == "window"


def test_check_names_it(file: Path, cli: Cli) -> None:
    findings = cli.json("check", file, "--target", "activity")["quality"]["findings"]
    assert "sparse-labels" in [finding["kind"] for finding in findings]
