"""mkdocs.yml names every page, the site loads nothing from the network, and its lock has every package of the group."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tools import make_docs

from support import ROOT

CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
# What tools/site_hooks.py adds.
ELSEWHERE = {"index.md", "contributing.md", "changelog.md"}
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def test_navigation_names_every_page_once() -> None:
    named = re.findall(r"^ *- (\S+\.(?:md|ipynb))$", CONFIG.partition("\nnav:\n")[2], re.MULTILINE)
    docs = ROOT / "docs"
    sources = (*docs.rglob("*.md"), *docs.rglob("*.ipynb"))
    # The hook of the site names the other pages of these folders.
    folders = ("adr", "cli", "research")
    pages = {path.relative_to(docs).as_posix() for path in sources if path.parent.name not in folders}
    pages |= {"adr/README.md", "cli/README.md", "research/README.md"}
    assert sorted(named) == sorted(pages | ELSEWHERE)


def test_the_site_is_strict_and_loads_no_fonts() -> None:
    assert "\nstrict: true\n" in CONFIG
    assert "\n  font: false\n" in CONFIG
    assert "http" not in CONFIG


@pytest.mark.parametrize("name", ["site", "release"])
def test_the_lock_has_what_the_group_names(name: str) -> None:
    group = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"][name]
    text = (ROOT / f"requirements-{name}.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    assert {re.split(r"[<>=]", one)[0] for one in group} <= locked


def test_a_decision_record_has_at_most_400_words() -> None:
    words = {path.name: len(path.read_text(encoding="utf-8").split()) for path in DECISIONS}
    assert {name: count for name, count in words.items() if count > 400} == {}


def test_the_list_of_decision_records_is_up_to_date() -> None:
    text = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert text == make_docs.decision_list(), "run python tools/make_docs.py"
    assert all(f"({path.name})" in text for path in DECISIONS)


def test_readme_stays_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 120
    assert {"make demo", "make test"} <= {line.partition("#")[0].strip() for line in lines}


def test_a_path_that_is_not_there_is_named_and_what_commands_leave_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("docs", "src", "src/edgewright", "runs", "tools"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".gitignore").write_text("runs/\n")
    (tmp_path / "README.md").write_text("`runs/my/trace.html`\n`tools/absent.py`\n")
    (tmp_path / "CONTRIBUTING.md").write_text("`tools/`\n")
    monkeypatch.setattr(make_docs, "DOCS", tmp_path / "docs")
    assert make_docs.absent_paths() == ["README.md line 2: tools/absent.py"]


def test_a_change_takes_one_line_of_at_most_25_words() -> None:
    lines = [
        f"{path.name} line {number}"
        for path in sorted((ROOT / "docs" / "changelog").glob("*.md"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line and not line.startswith("#") and (not line.startswith("- ") or len(line.split()) > 26)
    ]
    assert lines == []
