"""Every page of docs/ begins with what it is for and an example, and the examples that need no data of a reader run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from document_blocks import blocks_of, pages, type_page
from support import ROOT, environment

# Decision records have the form of docs/adr/README.md.
PAGES = [
    page for page in pages() if page.startswith("docs/") and not re.match(r"docs/(adr/\d|research/|changelog/)", page)
]
TYPED = ["docs/compression.md", "docs/generated-c.md", "docs/importing.md", "docs/monitoring.md", "docs/proof.md"]
PYTHON = ["docs/api.md", "docs/engines.md", "docs/integer-arithmetic.md"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_its_purpose_and_an_example(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    assert re.match(r"# \S", lines[0]) and re.match(r"[\w`\[]", lines[2]), "expected a title, then a sentence"
    blocks = blocks_of(page)
    assert blocks and blocks[0].line <= 22, "expected a block of code in the first 22 lines"
    assert not any(line.startswith("|") for line in lines[: blocks[0].line]), "expected the example before a table"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the run that the examples name."""
    path = tmp_path_factory.mktemp("examples")
    command = [sys.executable, "-m", "edgewright", "run", "activity"]
    subprocess.run(command, cwd=path, env=environment(), check=True, capture_output=True, timeout=300)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("page", TYPED)
def test_a_command_at_the_top_of_a_page_runs(page: str, folder: Path) -> None:
    assert type_page(page, folder, seconds=120).keys() == {"example"}


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON)
def test_python_at_the_top_of_a_page_runs(
    page: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    block = blocks_of(page)[0]
    assert block.language == "python"
    exec(compile(block.text, page, "exec"), {})  # noqa: S102 - what a reader types
    expected = re.findall(r"  # (\[\d+\])$", block.text, re.MULTILINE)
    printed = capsys.readouterr().out
    assert all(text in printed for text in expected)
