"""Label projects: what people say is kept, put together, and refused where it cannot be."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edgewright.cli.main import run
from edgewright.core.errors import InputError, LabelProjectError, LabelsError
from edgewright.language.labelling.audit import contradictions, decided, kappa, kappas
from edgewright.language.labelling.items import changed, make, read_items
from edgewright.language.labelling.project import Project
from label_example import write_project, write_texts


def test_what_was_said_is_there_again_and_can_be_taken_back(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    with Project(path) as project:
        project.say(1, "lamp", "ann", "typed")
        stamp = project.latest(1)
        project.say(2, "food", "ann", "typed")
        assert project.latest(1) == stamp
        undone = project.undo("ann")
        assert undone is not None
        assert (undone.item, undone.label) == (2, "food")
        assert project.undo("bob") is None
    with Project(path) as project:
        assert [(one.item, one.label, one.reviewer) for one in project.reviews()] == [(1, "lamp", "ann")]
        with pytest.raises(LabelsError):
            project.say(3, "lmap", "ann", "typed")
        with pytest.raises(LabelProjectError):
            project.say(999, "lamp", "ann", "typed")
        project.undo("ann")
        assert project.latest(1) > stamp
    assert not list(tmp_path.glob("*-wal"))


def test_people_who_differ_are_told_until_somebody_settles_it(tmp_path: Path) -> None:
    with Project(write_project(tmp_path)) as project:
        for item, first, second in ((1, "lamp", "lamp"), (2, "lamp", "food"), (3, "food", "food"), (4, "", "")):
            project.say(item, first, "ann", "typed")
            project.say(item, second, "bob", "typed")
        decisions = decided(project.reviews())
        assert [decisions[item].disputed for item in (1, 2, 3, 4)] == [False, True, False, False]
        assert decisions[4].label == ""
        one = kappas(project.reviews())[0]
        assert (one.first, one.second, one.common, one.agreed) == ("ann", "bob", 4, 3)
        project.say(2, "food", "eve", "settled")
        assert decided(project.reviews())[2].label == "food"


def test_kappa_is_that_of_cohen() -> None:
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: 0.4 (Cohen's own example of the textbooks).
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    a, b = ({k: pair[side] for k, pair in enumerate(pairs)} for side in (0, 1))
    assert kappa("a", "b", a, b).value == pytest.approx(0.4)
    assert kappa("a", "b", {1: "y"}, {1: "y"}).value == 1.0


def test_equal_texts_with_two_labels_are_found(tmp_path: Path) -> None:
    source = write_texts(tmp_path / "a.csv", ["Turn it ON", "eat", "turn it on"])
    make(tmp_path / "a.labelling", source, read_items(source), {"lamp": "", "food": ""})
    with Project(tmp_path / "a.labelling") as project:
        project.say(1, "lamp", "ann", "typed")
        project.say(3, "food", "ann", "typed")
        odd = contradictions(project.items(), decided(project.reviews()))
    assert [(first.id, other.id, a, b) for first, other, a, b in odd] == [(1, 3, "lamp", "food")]
    assert run(["label", "export", str(tmp_path / "a.labelling"), "--out", str(tmp_path / "out.csv")]) == 2


def test_other_files_and_newer_projects_are_refused_by_name(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version = 7")
    base.close()
    with pytest.raises(LabelProjectError):
        Project(path)
    (tmp_path / "text").write_text("no database at all, and longer than a header of SQLite would be" * 20)
    with pytest.raises(LabelProjectError, match="another file"):
        Project(tmp_path / "text")
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(LabelProjectError, match="another program"):
        Project(tmp_path / "empty.db")
    with pytest.raises(LabelProjectError, match="no such file"):
        Project(tmp_path / "absent")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "nothing"),
        (["x" * 100_000], "at most 20,000 characters"),
        (["ok", "a\0b"], "a null or half a character"),
    ],
)
def test_texts_that_cannot_be_labelled_are_refused(tmp_path: Path, texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_items(write_texts(tmp_path / "a.csv", texts))


def test_texts_of_all_scripts_are_kept_as_they_are(tmp_path: Path) -> None:
    texts = ["😀 ok", "שלום עולם", "naïve café", "line\nbreak"]
    read = read_items(write_texts(tmp_path / "a.csv", texts))
    assert [one.content for one in read.items] == texts
    make(tmp_path / "a.labelling", tmp_path / "a.csv", read, {})
    with Project(tmp_path / "a.labelling") as project:
        assert [item.content for item in project.items()] == texts
        assert changed(project) == ""
        write_texts(tmp_path / "a.csv", ["other"])
        assert "has changed" in changed(project)


def test_windows_keep_sessions_apart_and_bring_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    rows = [f"{k / 10},{k},{'a' if k < 25 else 'b'},{'walk' if k < 20 else ''}" for k in range(50)]
    path.write_text("t,x,who,what\n" + "\n".join(rows) + "\n")
    read = read_items(path, target="what", window=10, table={"group": "who", "time": "t"})
    assert [(one.first, one.person, one.label) for one in read.items] == [
        (0, "a", "walk"), (10, "a", "walk"), (25, "b", ""), (35, "b", ""),
    ]  # fmt: skip
    assert read.rate == pytest.approx(10.0)
    with pytest.raises(LabelProjectError):
        read_items(path)
    requested = ["label", "suggest", str(path), "--out", str(tmp_path / "w.labelling"), "--window", "10", "--time", "t"]
    assert run([*requested, "--group", "who"]) == 0
