"""Tests near changed code, by the imports of a small tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tools.affected import ImportGraph, changed_since

SOURCES = {
    "core/__init__.py": "",
    "core/rows.py": "",
    "core/cells.py": "def read():\n    from edgewright.core import rows\n",
    "core/catalogue.py": "",
    "cli/listing.py": "from edgewright.core.catalogue import find\nfind('edgewright.kinds', 'one')\n",
    "kinds/__init__.py": "",
    "kinds/one.py": "",
    "parts/__init__.py": "from edgewright.core import catalogue\n",
    "parts/one.py": "",
    "cli/commands/two_words.py": "",
}
TESTS = {
    "helper.py": "from edgewright.core.cells import read\n",
    "unit/test_rows.py": "from edgewright.core.rows import x\n",
    "unit/test_more_rows.py": "from edgewright.core import rows\n",
    "unit/test_cells.py": "import helper\n",
    "unit/test_parts.py": "from edgewright import parts\n",
    "unit/test_listing.py": "from edgewright.cli import listing\n",
    "unit/test_words.py": "cli('two-words', '--help')\n",
    "unit/test_given_words.py": "given = ('two-words', '--help')\ncli(*given)\n",
    "unit/test_nothing.py": "import json\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, files in (("src/edgewright", SOURCES), ("tests", TESTS)):
        for name, text in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return tmp_path


def near(root: Path, *changed: str) -> list[str]:
    distances = ImportGraph(root).distances([Path(name) for name in changed])
    return [path.stem.removeprefix("test_") for path in sorted(distances, key=lambda path: (distances[path], path))]


def test_the_nearest_test_is_the_one_that_changed_then_one_that_imports_what_few_import(root: Path) -> None:
    changed = ("tests/unit/test_nothing.py", "src/edgewright/core/rows.py", "src/edgewright/core/cells.py")
    assert near(root, *changed) == ["nothing", "cells", "more_rows", "rows"]


def test_a_test_depends_on_what_its_modules_import_and_on_parts_found_by_name(root: Path) -> None:
    assert near(root, "src/edgewright/core/rows.py") == ["more_rows", "rows", "cells"]
    assert near(root, "src/edgewright/parts/one.py") == ["parts"]
    assert near(root, "src/edgewright/kinds/one.py") == ["listing"]
    assert near(root, "src/edgewright/cli/commands/two_words.py") == ["given_words", "words"]
    (root / "src" / "edgewright" / "parts" / "one.c").touch()
    assert near(root, "src/edgewright/parts/one.c") == ["parts"]
    assert near(root, "README.md") == []


def test_changes_are_those_since_a_commit_or_a_time(root: Path) -> None:
    def git(*words: str) -> None:
        author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(root), *author, *words], check=True, capture_output=True)

    assert changed_since("HEAD~1", root) == []
    git("init")
    git("add", "-A")
    git("commit", "-m", "one", "--date", "2020-01-01T00:00:00Z")
    (root / "src" / "edgewright" / "parts" / "one.py").write_text("x = 1\n")
    git("commit", "-a", "-m", "two")
    assert changed_since("HEAD~1", root) == [Path("src/edgewright/parts/one.py")]
    assert changed_since("3 years ago", root) == []


def test_what_a_test_imports_itself_is_nearer_than_what_its_helper_imports(root: Path) -> None:
    (root / "tests" / "unit" / "test_a_helper.py").write_text("import helper\n")
    (root / "tests" / "unit" / "test_own.py").write_text("from edgewright.core.cells import read\n")
    assert near(root, "src/edgewright/core/cells.py") == ["own", "a_helper", "cells"]
